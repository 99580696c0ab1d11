/**
 * A Unix stream socket at a path, which one process serves. It is renamed to its path when its mode and group are right. It
 * replaces a socket on which nobody answers, and is removed at the end, unless another process has replaced it.
 */
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { dirname, join } from 'node:path'
import { LocalListener, type ServeCaller } from './local-listener.ts'

export interface SocketFileOptions {
  readonly path: string
  /** As for `chmod`. */
  readonly mode: number
  /** Name or number of the group that may connect; undefined: the process's own group. */
  readonly group?: string | undefined
  readonly serve: ServeCaller
}

export class SocketFile {
  readonly #options: SocketFileOptions
  #listener: LocalListener | undefined
  #inode: bigint | undefined

  constructor(options: SocketFileOptions) {
    this.#options = options
  }

  /** Throws where somebody answers at the path, or something else than a socket is there. */
  refuseIfTaken(): Promise<void> {
    return refuseIfTaken(this.#options.path)
  }

  /** Listens. Throws where that fails, and where the path is taken. */
  async open(): Promise<void> {
    await mkdir(dirname(this.#options.path), { recursive: true })
    await this.refuseIfTaken()
    this.#listener = await this.#listen()
    this.#inode = (await lstat(this.#options.path, { bigint: true })).ino
  }

  /** Created in a folder of its own, where no client can connect, and renamed to its path when it is ready. */
  async #listen(): Promise<LocalListener> {
    const { path, mode, group, serve } = this.#options
    const gid = group === undefined ? undefined : await groupId(group)
    const folder = await mkdtemp(join(dirname(path), '.g'))
    const made = join(folder, 's')
    let listener: LocalListener | undefined
    try {
      listener = new LocalListener(made, serve)
      await chmod(made, mode)
      if (gid !== undefined) await chown(made, -1, gid)
      await rename(made, path)
      return listener
    } catch (error) {
      listener?.close()
      await rm(made, { force: true })
      throw error
    } finally {
      await rmdir(folder)
    }
  }

  /** Accepts nobody any more. Connections stay. */
  async close(): Promise<void> {
    const { path } = this.#options
    if (this.#listener === undefined) return
    this.#listener.close()
    this.#listener = undefined
    const now = await lstat(path, { bigint: true }).catch(() => undefined)
    if (now !== undefined && now.ino === this.#inode) await unlink(path).catch(() => {})
  }
}

/** A file of this name is replaced only if it is a socket on which no agent answers. */
async function refuseIfTaken(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) throw new Error('there is a file here that is not a socket; remove it or choose another path')
  if (await answers(path)) throw new Error('another process answers on it')
}

/**
 * Only a refused connection, or a path that is gone by now, means that no process is there: one that is stopped, or has many
 * clients, does not answer at once.
 */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'))
  })
}

/** A number, or a name in /etc/group. */
async function groupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group)
  const lines = (await readFile('/etc/group', 'utf8')).split('\n')
  const fields = lines.map((line) => line.split(':')).find(([name]) => name === group)
  if (fields?.[2] === undefined) throw new Error(`there is no group ${group}`)
  return Number(fields[2])
}
