/** Bundles the agent and the command line into what ships, one file and those of threads: `npm run build`. */
import { chmod, cp, readFile, rm } from 'node:fs/promises'
import { build } from 'esbuild'

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const outfile = new URL('../dist/godwit.mjs', import.meta.url).pathname
/** Native part of koffi, which finds it beside the bundle: all sockets are opened by it. */
const NATIVE = `node_modules/@koromix/koffi-${process.platform}-${process.arch}`
const inRepository = new URL(`../${NATIVE}`, import.meta.url)
const besideBundle = new URL(`../dist/${NATIVE}`, import.meta.url)

/** Long manifests are read on a thread, and BFD runs on one: the code of each is a file of its own. */
const THREAD = 'godwit-manifests.mjs'
const BFD_THREAD = 'godwit-bfd.mjs'

await build({
  entryPoints: [
    { in: new URL('main.ts', import.meta.url).pathname, out: 'godwit' },
    { in: new URL('edge/manifests/thread.ts', import.meta.url).pathname, out: THREAD.replace('.mjs', '') },
    { in: new URL('edge/net/bfd-worker.ts', import.meta.url).pathname, out: BFD_THREAD.replace('.mjs', '') },
  ],
  outdir: new URL('../dist', import.meta.url).pathname,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  legalComments: 'linked',
  define: {
    GODWIT_VERSION: JSON.stringify(manifest.version),
    GODWIT_THREAD: JSON.stringify(`./${THREAD}`),
    GODWIT_BFD_THREAD: JSON.stringify(`./${BFD_THREAD}`),
  },
  // CommonJS packages inside an ES module still call require for Node's own modules.
  banner: {
    js: "import { createRequire as godwitRequire } from 'node:module'; const require = godwitRequire(import.meta.url)",
  },
})
await chmod(outfile, 0o755)
await rm(new URL('../dist/node_modules', import.meta.url), { recursive: true, force: true })
await cp(inRepository, besideBundle, { recursive: true })
await cp(new URL('../node_modules/koffi/LICENSE.txt', import.meta.url), new URL(`${besideBundle}/LICENSE.txt`))
console.log(`built dist/godwit.mjs, version ${manifest.version}`)
