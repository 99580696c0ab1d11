import { defineConfig } from 'vitest/config'

const CRDS = 'test/deploy/crds.test.ts'
/** Of a room, but too long for those who wait. */
const LONG = ['test/**/*.long.test.ts']

/** `rooms` is quick and pure; `edges` opens sockets and files; `long` takes its time. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    pool: 'threads',
    setupFiles: ['test/support/seed.ts'],
    // Node strips the types itself: nothing is transformed, and tests run what users run.
    experimental: { viteModuleRunner: false },
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          // Nothing is mocked here: without the hooks for that, Node imports twice as fast, and test files come from its cache.
          experimental: { nodeLoader: false },
          // Pure code leaves nothing behind, so the files share one module graph: importing it anew took most of the time.
          isolate: false,
          // All cores, not all but one: nothing else is worth waiting for.
          maxWorkers: '100%',
          // Nothing here waits: the limit only ends what never ends, and must not judge a busy machine.
          testTimeout: 60_000,
          include: [
            'test/{base,bfd,bgp,cluster,dataplane,ndp,preview,show,status,engine}/**/*.test.ts',
            'test/*.test.ts',
          ],
          exclude: LONG,
        },
      },
      {
        extends: true,
        test: {
          name: 'edges',
          include: ['test/{edge,cli,contract,demo,deploy}/**/*.test.ts'],
          exclude: [CRDS],
          testTimeout: 30_000,
          // Sockets and processes on a busy machine; what is pure is never tried twice.
          retry: process.env.CI === undefined ? 0 : 1,
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          // Pure as well, but every value of every field takes its time.
          include: ['test/{property,sim,golden,fuzz,work}/**/*.test.ts', CRDS, ...LONG],
          // Files of `rooms` keep their long tests to this project (test/support/long.ts).
          env: { GODWIT_LONG: 'yes' },
          testTimeout: 300_000,
        },
      },
    ],
  },
})
