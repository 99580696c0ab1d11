/**
 * Writes the status of this node to a file (`--status FILE`): the object that the API would have, as JSON, for agents
 * that read a folder of manifests. One write at a time, the newest status last; an error is reported once.
 */
import { open } from 'node:fs/promises'
import type { Effect } from '../engine/effect.ts'
import type { NodeStatus } from '../status/node-status.ts'
import { renderNodeStatus } from '../status/render.ts'
import { systemClock } from './clock.ts'
import { errorText } from './error-text.ts'
import { NewestFile } from './newest-file.ts'
import { NODE_STATUS } from './resources.ts'

/** Readable by all users: as in the API, the status holds no secret. */
const MODE = 0o644
/** The file of an earlier run, which is read once. */
const MOST_BYTES = 64 * 1024

interface StatusFileOptions {
  readonly path: string
  readonly node: string
  readonly report: (text: string | undefined) => void
}

export class StatusFile {
  readonly #options: StatusFileOptions
  readonly #file: NewestFile
  /** The content of the file; undefined until it is known. */
  #before: { readonly conditions?: unknown } | undefined

  constructor(options: StatusFileOptions) {
    const { path, report } = options
    this.#options = options
    this.#file = new NewestFile({
      path,
      mode: MODE,
      report: (error) => report(error === undefined ? undefined : `the status cannot be written: ${errorText(error)}`),
    })
  }

  perform(effect: Effect): void {
    if (effect.kind === 'status') this.#file.write(() => this.#render(effect.status))
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async #render(node: NodeStatus): Promise<string> {
    this.#before ??= await readStatus(this.#options.path)
    const status = renderNodeStatus(node, systemClock.epoch, systemClock.now(), this.#before.conditions)
    this.#before = status as { readonly conditions?: unknown }
    const { apiVersion, kind } = NODE_STATUS
    const object = { apiVersion, kind, metadata: { name: this.#options.node }, status }
    return `${JSON.stringify(object, null, 2)}\n`
  }
}

/** The content that an earlier run wrote; empty where it cannot be read. */
async function readStatus(path: string): Promise<{ readonly conditions?: unknown }> {
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size > MOST_BYTES) return {}
      const { status } = JSON.parse(await file.readFile('utf8')) as { readonly status?: object }
      return status ?? {}
    } finally {
      await file.close()
    }
  } catch {
    return {}
  }
}
