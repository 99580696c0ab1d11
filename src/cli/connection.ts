/** A connection to the control socket of a running agent: one command at a time, the answer line by line. */
import { readFile, stat } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import type { Millis } from '../base/units.ts'
import { type DecodedLine, decodeReply } from '../show/line-protocol.ts'

export type ReplyText = Extract<DecodedLine, { readonly kind: 'line' }>

/** An error for the user, in one line: a stable code, then the reason. */
export class ClientError extends Error {
  readonly code: string

  constructor(code: string, text: string) {
    super(text)
    this.code = code
  }
}

/** What accepts the connection and sends no greeting is not an agent. */
const GREETING: Millis = 10_000

export class AgentConnection {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#lines = linesOf(socket)
  }

  /** Connects and takes the greeting. Throws ClientError. */
  static async open(path: string): Promise<AgentConnection> {
    const connection = new AgentConnection(await connected(path))
    const timer = setTimeout(() => connection.close(), GREETING)
    try {
      for await (const line of connection.#reply()) {
        if (line.code >= 8000) throw new ClientError('E_REFUSED', `${path}: ${line.text}`)
      }
      return connection
    } catch (error) {
      connection.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends one command; the answer must be read to its end before the next. Throws ClientError. */
  ask(command: string): AsyncIterable<ReplyText> {
    this.#socket.write(`${command.replace(/[\r\n]/g, ' ')}\n`)
    return this.#reply()
  }

  close(): void {
    this.#socket.destroy()
  }

  async *#reply(): AsyncGenerator<ReplyText> {
    let code = 0
    for (;;) {
      const { done, value } = await this.#lines.next()
      if (done === true)
        throw new ClientError('E_LOST', 'the agent ended the connection before its answer was complete')
      const line = decodeReply(value, code)
      if (line.kind === 'garbled') throw new ClientError('E_GARBLED', garbledText(value))
      if (line.kind === 'spontaneous') continue
      code = line.code
      yield line
      if (line.last) return
    }
  }
}

const garbledText = (line: string): string =>
  `this is not an answer of an agent: ${line
    .trim()
    .slice(0, 80)
    .replace(/[^ -~]/g, '?')}`

/** Cut at newlines; the socket is read only as fast as the lines are taken. */
async function* linesOf(socket: Socket): AsyncGenerator<string, undefined> {
  /** The beginning of a line whose end has not come. */
  let begun: string[] = []
  try {
    for await (const chunk of socket) {
      const [first = '', ...further] = String(chunk).split('\n')
      begun.push(first)
      const last = further.pop()
      if (last === undefined) continue
      yield begun.join('')
      yield* further
      begun = [last]
    }
  } catch {
    // A reader that waits for a line gets the end.
  }
  return undefined
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.setEncoding('utf8')
    const failed = (error: NodeJS.ErrnoException) => {
      void whyNotConnected(path, error).then(reject)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

async function whyNotConnected(path: string, error: NodeJS.ErrnoException): Promise<ClientError> {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new ClientError(
        'E_NO_AGENT',
        `no agent runs here: there is no socket ${path}; start one with "godwit agent", or name its socket with -s`,
      )
    case 'ECONNREFUSED':
      return new ClientError(
        'E_NO_AGENT',
        `no agent runs here: nothing listens on ${path}; the agent that created it has ended, start it again`,
      )
    case 'EACCES':
    case 'EPERM':
      return new ClientError('E_ACCESS', await accessText(path))
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return new ClientError('E_NO_AGENT', `${path} cannot be the path of a socket: it is longer than 107 bytes`)
    case 'EAGAIN':
      return new ClientError('E_BUSY', `the agent at ${path} accepts no more connections at the moment; try again`)
    default:
      return new ClientError('E_NO_AGENT', `cannot reach an agent at ${path}: ${error.code ?? error.message}`)
  }
}

async function accessText(path: string): Promise<string> {
  const socket = await stat(path).catch(() => undefined)
  const owner = socket === undefined ? '' : `, it belongs to group ${await groupName(socket.gid)}`
  const join = socket === undefined ? 'its folder denies access' : 'become a member of that group'
  return `may not open ${path}${owner}: ${join} or run as root (sudo)`
}

async function groupName(gid: number): Promise<string> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '')
  const fields = groups.split('\n').map((line) => line.split(':'))
  return fields.find(([, , number]) => number === String(gid))?.[0] ?? String(gid)
}
