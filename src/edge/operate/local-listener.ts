/**
 * A Unix stream socket that knows who calls: the kernel tells the user at the other end (`SO_PEERCRED`, unix(7)), which
 * Node does not ask for. On Linux the socket is opened and its callers accepted with libc's own calls; elsewhere Node
 * listens, and a caller has no name.
 */
import { closeSync, openSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { wordsOfErrno } from '../os-words.ts'

type Koffi = typeof import('koffi')['default']

export interface LocalListener {
  close(): void
}

/** `uid` is undefined where the system does not tell. The socket is half-open: its end of input is not its end. */
export type TakeCaller = (socket: Socket, uid: number | undefined) => void

// Numbers of Linux, the same on every architecture that we run on.
const AF_UNIX = 1
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000
const SOCK_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const ENFILE = 23
const EMFILE = 24

const BACKLOG = 128
/** Octets of a path in `sockaddr_un`, with the NUL behind it. */
const PATH_OCTETS = 108
/** Callers accepted in one round of the event loop. */
const AT_ONCE = 16

/** Listens at a path that does not exist yet. Throws one line of words where that cannot be. */
export async function listenLocally(path: string, take: TakeCaller): Promise<LocalListener> {
  if (process.platform !== 'linux') return listenByNode(path, take)
  const { default: koffi } = await import('koffi')
  return new LinuxListener(koffi, path, take)
}

class LinuxListener implements LocalListener {
  readonly #koffi: Koffi
  readonly #libc: ReturnType<typeof bindLibc>
  readonly #fd: number
  readonly #take: TakeCaller
  readonly #poll: ReturnType<Koffi['node']['poll']>
  /** Held for the day when no descriptor is left, so that callers can be turned away instead of waiting for ever. */
  #spare: number | undefined

  constructor(koffi: Koffi, path: string, take: TakeCaller) {
    this.#koffi = koffi
    this.#libc = bindLibc(koffi)
    this.#take = take
    const address = pathAddress(path)
    this.#fd = this.#libc.socket(AF_UNIX, SOCK_STREAM_NONBLOCK_CLOEXEC, 0)
    if (this.#fd < 0) throw new Error(this.#errno())
    if (this.#libc.bind(this.#fd, address, address.length) < 0 || this.#libc.listen(this.#fd, BACKLOG) < 0) {
      const words = this.#errno()
      this.#libc.close(this.#fd)
      throw new Error(words)
    }
    this.#spare = openSpare()
    this.#poll = koffi.node.poll(this.#fd, { readable: true }, () => this.#accept())
  }

  close(): void {
    this.#poll.close()
    this.#libc.close(this.#fd)
    if (this.#spare !== undefined) closeSync(this.#spare)
  }

  #accept(): void {
    for (let taken = 0; taken < AT_ONCE; taken++) {
      const fd = this.#libc.accept4(this.#fd, null, null, SOCK_NONBLOCK_CLOEXEC)
      if (fd >= 0) this.#take(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }), this.#userOf(fd))
      else if (!this.#isShort() || !this.#turnAway()) return
    }
  }

  #isShort(): boolean {
    const errno = this.#koffi.errno()
    return errno === EMFILE || errno === ENFILE
  }

  /** Gives the spare descriptor to one caller, and closes it at once. Answers whether there was one. */
  #turnAway(): boolean {
    if (this.#spare === undefined) return false
    closeSync(this.#spare)
    const fd = this.#libc.accept4(this.#fd, null, null, SOCK_NONBLOCK_CLOEXEC)
    if (fd >= 0) this.#libc.close(fd)
    this.#spare = openSpare()
    return fd >= 0
  }

  #userOf(fd: number): number | undefined {
    // `struct ucred`: process, user and group, four octets each.
    const credentials = new Uint8Array(12)
    const got = this.#libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, [credentials.length])
    return got < 0 ? undefined : new DataView(credentials.buffer).getUint32(4, true)
  }

  #errno(): string {
    return wordsOfErrno(this.#koffi.errno())
  }
}

function openSpare(): number | undefined {
  try {
    return openSync('/dev/null', 'r')
  } catch {
    return undefined
  }
}

function bindLibc(koffi: Koffi) {
  // The process itself: whatever C library Node runs on.
  const libc = koffi.load(null)
  const length = koffi.inout(koffi.pointer('uint32_t'))
  return {
    socket: libc.func('socket', 'int', ['int', 'int', 'int']),
    bind: libc.func('bind', 'int', ['int', 'void *', 'uint32_t']),
    listen: libc.func('listen', 'int', ['int', 'int']),
    accept4: libc.func('accept4', 'int', ['int', 'void *', 'void *', 'int']),
    getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', length]),
    close: libc.func('close', 'int', ['int']),
  }
}

/** `sockaddr_un`. Throws where the path is too long for one. */
function pathAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path)
  if (name.length >= PATH_OCTETS) throw new Error(`the path is longer than ${PATH_OCTETS - 1} octets`)
  const bytes = new Uint8Array(2 + name.length + 1)
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true)
  bytes.set(name, 2)
  return bytes
}

function listenByNode(path: string, take: TakeCaller): Promise<LocalListener> {
  const server = createServer({ allowHalfOpen: true }, (socket) => take(socket, undefined))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve({ close: () => void server.close() })
    })
  })
}
