/** Bundles the agent and the command line into one file, which is what ships: `npm run build`. */
import { chmod, readFile } from 'node:fs/promises'
import { build } from 'esbuild'

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const outfile = new URL('../dist/godwit.mjs', import.meta.url).pathname

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
console.log(`built dist/godwit.mjs, version ${manifest.version}`)
