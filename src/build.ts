/** Bundles the agent and the command line into one file, which is what ships: `npm run build`. */
import { chmod, cp, readFile, rm } from 'node:fs/promises'
import { build } from 'esbuild'

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const outfile = new URL('../dist/godwit.mjs', import.meta.url).pathname
/** Native part of koffi, which finds it beside the bundle; loaded only where router advertisements are needed. */
const NATIVE = `node_modules/@koromix/koffi-${process.platform}-${process.arch}`
const inRepository = new URL(`../${NATIVE}`, import.meta.url)
const besideBundle = new URL(`../dist/${NATIVE}`, import.meta.url)

await build({
  entryPoints: [new URL('main.ts', import.meta.url).pathname],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  legalComments: 'linked',
  define: { GODWIT_VERSION: JSON.stringify(manifest.version) },
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
