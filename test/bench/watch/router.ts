/** The router beside the node: takes the agent's session, knows every prefix, and when the last one came or went. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { END_OF_RIB, Framer, KEEPALIVE, open, TYPE, type UpdateSink, walkUpdate } from '../peers/wire.ts'
import { ROUTER_ADDRESS, ROUTER_AS } from './objects.ts'

const KEEPALIVE_TIME = 20_000
const FAMILIES = ['v4', 'v6'] as const

export class Router implements UpdateSink {
  readonly routes = new Set<string>()
  /** When the first route came. */
  firstAt: number | undefined
  /** Sessions that came, and routes that were withdrawn. */
  sessions = 0
  withdrawn = 0
  readonly #server: Server
  #onRoute: (() => void) | undefined

  private constructor() {
    this.#server = createServer((socket) => this.#take(socket))
  }

  static async listen(): Promise<Router> {
    const router = new Router()
    router.#server.listen(0, ROUTER_ADDRESS)
    await once(router.#server, 'listening')
    return router
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('nobody listens')
    return address.port
  }

  close(): void {
    this.#server.close()
  }

  /** Waits until it holds; the moment at which it began to. */
  until(what: string, holds: () => boolean, patience: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#onRoute = undefined
        clearTimeout(timer)
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`never: ${what}; ${this.routes.size} routes`))
      }, patience)
      this.#onRoute = () => {
        if (!holds()) return
        end()
        resolve(performance.now())
      }
      this.#onRoute()
    })
  }

  #take(socket: Socket): void {
    this.sessions++
    this.routes.clear()
    const framer = new Framer()
    const keepalives = setInterval(() => socket.write(KEEPALIVE), KEEPALIVE_TIME)
    socket.on('close', () => clearInterval(keepalives))
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) =>
      framer.push(chunk, (bytes, start, end) => this.#hear(socket, bytes, start, end)),
    )
  }

  #hear(socket: Socket, bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start + 18]
    if (type === TYPE.open) {
      socket.write(open(ROUTER_AS, ROUTER_ADDRESS, FAMILIES))
      socket.write(KEEPALIVE)
      for (const family of FAMILIES) socket.write(END_OF_RIB[family])
    } else if (type === TYPE.update) {
      walkUpdate(bytes, start, end, this)
      this.#onRoute?.()
    } else if (type === TYPE.notification) throw new Error(`NOTIFICATION ${bytes[start + 19]}/${bytes[start + 20]}`)
  }

  path(): void {}
  endOfRib(): void {}

  route(_family: string, high: number, low: number, length: number, withdrawn: boolean): void {
    const key = `${high}.${low}/${length}`
    if (withdrawn) {
      this.withdrawn++
      this.routes.delete(key)
    } else {
      this.firstAt ??= performance.now()
      this.routes.add(key)
    }
  }
}
