/** `godwit check`: reads the objects of a folder, a file or a cluster once, and checks them without an agent. */
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Millis } from './base/units.ts'
import type { CheckOptions } from './cli/check-arguments.ts'
import { inFormat, isMadeOfJson } from './cli/output.ts'
import { podsWanted } from './cluster/pod-routes.ts'
import { ObjectStore } from './cluster/store.ts'
import { errorText } from './edge/error-text.ts'
import { Keys } from './edge/keys.ts'
import { isManifestName, LARGEST_FILE, TOO_LARGE } from './edge/manifests/folder.ts'
import { Manifests } from './edge/manifests/source.ts'
import { isCalicoGroup, type Source } from './edge/resources.ts'
import type { Input } from './engine/input.ts'
import { calicoDifferences } from './preview/calico.ts'
import { changeOf } from './preview/change.ts'
import { type NodePreview, previewNodes, problemsOf } from './preview/node.ts'
import { hasErrors, type PreviewReport, renderReport, reportJson } from './preview/render.ts'

/** The time limit for a cluster to answer, and for an error of it to go away. */
const TIMEOUT: Millis = 60_000
const ERROR: Millis = 5_000

interface Streams {
  readonly out: { write(text: string): unknown }
  readonly err: { write(text: string): unknown }
}

interface Reading extends CheckOptions {
  readonly keys: Keys
}

/** 0: no error. 1: errors, or the objects cannot be read. */
export async function runCheck(options: CheckOptions, { out, err }: Streams): Promise<0 | 1> {
  try {
    const report = await makeReport(options)
    if (isMadeOfJson(options.format))
      out.write(await inFormat(`${JSON.stringify(reportJson(report))}\n`, options.format))
    else for (const line of renderReport(report)) out.write(`${line}\n`)
    return hasErrors(report) ? 1 : 0
  } catch (error) {
    err.write(`godwit: E_SOURCE ${errorText(error)}\n`)
    return 1
  }
}

async function makeReport(options: CheckOptions): Promise<PreviewReport> {
  // For both: a key of a session is known to be another one by its number alone.
  const reading = { ...options, keys: new Keys(options.namespace) }
  const store = await readObjects(options.source, reading)
  const nodes = previews(store, options)
  const old = options.diff === undefined ? undefined : await readObjects(options.diff, reading, true)
  const before = old && previews(old, options)
  return {
    // A cluster is read without its Secrets.
    problems: problemsOf(store, nodes, options.source === 'kubernetes' ? undefined : options.namespace),
    nodes,
    differences: isCalicoGroup(options.apiGroup) ? calicoDifferences(store) : undefined,
    change: before === undefined ? undefined : changeOf(before, nodes),
  }
}

function previews(store: ObjectStore, { node, apiGroup }: CheckOptions): readonly NodePreview[] {
  const names = node === undefined ? [...store.table('Node').keys()].sort() : [node]
  return previewNodes(store, names, isCalicoGroup(apiGroup))
}

/** Nothing at all is not checked, but a fault of who asks: a wrong folder, or a pipe whose other end has failed. */
async function readObjects(from: string, options: Reading, mayBeNothing = false): Promise<ObjectStore> {
  if (from === 'kubernetes') return readSource((feed) => openCluster(options, feed))
  const file = from === '-' ? undefined : await statOf(from)
  if (file?.isDirectory() === true) {
    if (!mayBeNothing && !(await readdir(from)).some(isManifestName)) throw new Error(`${from}: ${NO_MANIFESTS}`)
    return readFolder(from, options)
  }
  if (file?.isFile() === true && file.size === 0 && !mayBeNothing) throw new Error(`${from} is empty`)
  const folder = await mkdtemp(join(tmpdir(), 'godwit-check-'))
  try {
    if (file?.isFile() === true) await symlink(resolve(from), join(folder, manifestName(from)))
    // The folder's reader leaves out pipes, which `<(kubectl get ...)` is.
    else
      await writeFile(
        join(folder, 'input.yaml'),
        upToLargest(file === undefined ? process.stdin : createReadStream(from), mayBeNothing),
      )
    return await readFolder(folder, options)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const NO_MANIFESTS = 'no file *.yaml, *.yml or *.json stands directly in this folder'

/** A pipe may never end. */
async function* upToLargest(input: AsyncIterable<Uint8Array>, mayBeNothing: boolean): AsyncIterable<Uint8Array> {
  let octets = 0
  for await (const chunk of input) {
    octets += chunk.length
    if (octets > LARGEST_FILE) throw new Error(`the input ${TOO_LARGE}`)
    yield chunk
  }
  if (octets === 0 && !mayBeNothing) throw new Error('the input is empty')
}

/** The folder's reader takes files by their names; a dump may have any. */
const manifestName = (file: string): string => (isManifestName(basename(file)) ? basename(file) : 'input.yaml')

async function statOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    throw new Error(`${path}: ${errorText(error)}`, { cause: error })
  }
}

const readFolder = (directory: string, { apiGroup, namespace, keys }: Reading): Promise<ObjectStore> =>
  readSource(async (feed) => new Manifests({ directory, apiGroup, feed, namespace, keys }))

async function openCluster({ apiGroup, kubeconfig }: CheckOptions, feed: (input: Input) => void): Promise<Source> {
  const { openKubernetes } = await import('./edge/kubernetes/source.ts')
  return openKubernetes({ apiGroup, kubeconfig, feed })
}

/** Everything that a source reports until it is synced. */
async function readSource(open: (feed: (input: Input) => void) => Promise<Source>): Promise<ObjectStore> {
  const store = new ObjectStore()
  let timer: NodeJS.Timeout | undefined
  let errorTimer: NodeJS.Timeout | undefined
  const synced = Promise.withResolvers<void>()
  const failed = Promise.withResolvers<never>()
  const giveUp = () => failed.reject(new Error(whyNotSynced(store)))
  const source = await open((input) => {
    if (input.kind === 'objects') {
      store.apply(input.changes)
      const hasError = store.sourceProblems().some(({ level }) => level !== 'warning')
      if (!hasError) clearTimeout(errorTimer)
      errorTimer = hasError ? (errorTimer ?? setTimeout(giveUp, ERROR)) : undefined
    }
    if (input.kind === 'synced') synced.resolve()
  })
  try {
    timer = setTimeout(giveUp, TIMEOUT)
    await Promise.race([synced.promise, failed.promise])
    await Promise.race([readPods(source, store), failed.promise])
    store.settleRestored()
    return store
  } finally {
    clearTimeout(timer)
    clearTimeout(errorTimer)
    await source.stop()
  }
}

/** Pods are read only if a BGPAdvertisement names some. */
async function readPods(source: Source, store: ObjectStore): Promise<void> {
  const wanted = podsWanted([...store.table('BGPAdvertisement').values()].map((object) => ({ object })))
  if (wanted !== undefined) await source.readPods?.(wanted)
}

const whyNotSynced = (store: ObjectStore): string =>
  store.sourceProblems()[0]?.text ?? 'the objects could not be read within a minute'
