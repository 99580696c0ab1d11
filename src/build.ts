/** Bundles the agent and the command line into what ships, one file and those of threads: `npm run build`. */
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { build, type OutputFile } from 'esbuild'

const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const outfile = new URL('../dist/godwit.mjs', import.meta.url).pathname
/** Native part of koffi, which finds it beside the bundle: all sockets are opened by it. */
const NATIVE = `node_modules/@koromix/koffi-${process.platform}-${process.arch}`
const inRepository = new URL(`../${NATIVE}`, import.meta.url)
const besideBundle = new URL(`../dist/${NATIVE}`, import.meta.url)

/** Long manifests are read on a thread, and BFD runs on one: the code of each is a file of its own. */
const THREAD = 'godwit-manifests.mjs'
const BFD_THREAD = 'godwit-bfd.mjs'

const { metafile, outputFiles } = await build({
  write: false,
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
  // What few need, such as the client for kubeconfigs, is a file of its own: a file that is read stays in memory as text.
  splitting: true,
  chunkNames: 'godwit-[hash]',
  sourcemap: 'linked',
  // The notices of all packages are written whole, below.
  legalComments: 'none',
  metafile: true,
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
await writeBuilt(outputFiles)
await chmod(outfile, 0o755)
await rm(new URL('../dist/node_modules', import.meta.url), { recursive: true, force: true })
await cp(inRepository, besideBundle, { recursive: true })
await cp(new URL('../node_modules/koffi/LICENSE.txt', import.meta.url), new URL(`${besideBundle}/LICENSE.txt`))
await writeFile(new URL('../dist/LEGAL.txt', import.meta.url), await notices(Object.keys(metafile.inputs)))
console.log(`built dist/godwit.mjs, version ${manifest.version}`)

/** Only what differs is written, and files of an earlier build go last: somebody may be running them. */
async function writeBuilt(files: readonly OutputFile[]): Promise<void> {
  const folder = new URL('../dist/', import.meta.url).pathname
  await mkdir(folder, { recursive: true })
  for (const { path, text } of files) {
    const whole = path.endsWith('.mjs') ? oneByte(text) : text
    const before = await readFile(path, 'utf8').catch(() => undefined)
    if (whole !== before) await writeFile(path, whole)
  }
  const names = (await readdir(folder)).filter((name) => /^godwit.*\.mjs(?:\.map)?$/.test(name))
  const kept = new Set(files.map(({ path }) => path))
  for (const name of names) if (!kept.has(folder + name)) await rm(folder + name)
}

/** One character beyond Latin-1, even in a comment, and V8 keeps two bytes for each character of the file. */
function oneByte(text: string): string {
  return text.replace(/[^\0-\xff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Name, version, license and notices of every package of which a file is in the bundle, and of koffi's native part. */
async function notices(inputs: readonly string[]): Promise<string> {
  const names = inputs.map((input) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[0])
  const folders = [...new Set([...names, 'node_modules/koffi/'])].filter((folder) => folder !== undefined).sort()
  const parts = await Promise.all(folders.map(noticeOf))
  return `Godwit holds code of these packages.\n\n${parts.join('\n')}`
}

async function noticeOf(folder: string): Promise<string> {
  const at = (name: string) => new URL(`../${folder}${name}`, import.meta.url)
  const { name, version, license } = JSON.parse(await readFile(at('package.json'), 'utf8')) as Record<string, string>
  const files = (await readdir(at(''))).filter((file) => /^(?:licen[cs]e|notice|copying)/i.test(file)).sort()
  const texts = await Promise.all(files.map((file) => readFile(at(file), 'utf8')))
  const rule = '-'.repeat(80)
  return `${rule}\n${name} ${version} (${license})\n${rule}\n${texts.map((text) => `\n${text.trim()}\n`).join('')}`
}
