/**
 * Reads one netlink socket: answers to dumps, and events in between, in the order in which the kernel put them there.
 *
 * A round reads a bounded number of answers; what is left waits until the other sockets have had their turn.
 */
import { setImmediate as soon } from 'node:timers/promises'
import { errnoText } from '../error-text.ts'
import {
  Attributes,
  type Message,
  messagesOf,
  NetlinkWriter,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_MIN_TYPE,
  readAnswer,
} from './netlink-message.ts'
import { type NetlinkSocket, RECEIVE_BUFFER } from './netlink-socket.ts'

/**
 * Octets received in one round: one answer of a dump has up to 32 KiB, an event some hundred. What changes in a round is passed on
 * together, because it costs much to pass on a link that has ten thousand addresses.
 */
const ROUND = 32 * 1024
/** Messages received in one round: most events cause work of their own. */
const EVENTS = 64
/** The requested object does not exist, such as a table without any route. */
const ENOENT = 2

export interface NetlinkReaderOptions {
  readonly socket: NetlinkSocket
  readonly onEvent: (message: Message, attributes: Attributes) => void
  /** Called after each round: changes found in it may be passed on. */
  readonly onPiece: () => void
  /** Events were lost: everything must be read again. */
  readonly onOverrun: () => void
  /** The socket has failed. */
  readonly onFailure: (error: unknown) => void
}

interface Dump {
  readonly seq: number
  readonly each: (message: Message, attributes: Attributes) => void
  readonly resolve: (isWhole: boolean) => void
  readonly reject: (error: Error) => void
  isWhole: boolean
}

export class NetlinkReader {
  readonly #options: NetlinkReaderOptions
  readonly #writer = new NetlinkWriter(256)
  #dump: Dump | undefined
  #seq = 0
  /** Octets, in all. */
  #received = 0
  #isClosed = false

  constructor(options: NetlinkReaderOptions) {
    this.#options = options
    options.socket.onReadable(() => this.#read())
  }

  /**
   * Asks for all objects of one type, of which `each` gets one message after the other. A caller waits for the end of one dump
   * before it begins the next. False: the table changed during the dump, which must be repeated. `write` writes the fixed part
   * of the question and the attributes that restrict the dump. Rejects where the kernel refuses it, or the socket fails.
   */
  dump(
    type: number,
    write: (writer: NetlinkWriter) => void,
    each: (message: Message, attributes: Attributes) => void,
  ): Promise<boolean> {
    this.#seq++
    const seq = this.#seq
    this.#writer.begin(type, NLM_F_REQUEST | NLM_F_DUMP, seq)
    write(this.#writer)
    this.#writer.end()
    return new Promise((resolve, reject) => {
      this.#dump = { seq, each, resolve, reject, isWhole: true }
      this.#options.socket.send(this.#writer.take())
    })
  }

  /**
   * Reads, in rounds, all events that the kernel has queued so far. Others may come meanwhile, so that the queue never becomes
   * empty; it holds at most `RECEIVE_BUFFER` octets, and after as many the earlier events have been read.
   */
  async catchUp(): Promise<void> {
    const until = this.#received + RECEIVE_BUFFER
    while (!this.#isClosed && this.#received < until && this.#read()) await soon()
  }

  close(): void {
    this.#isClosed = true
    this.#options.socket.close()
    this.#endDump(new Error('the reader was closed'))
  }

  /** A round; true: more may be there. */
  #read(): boolean {
    try {
      const isMore = this.#receive()
      this.#options.onPiece()
      return isMore
    } catch (error) {
      this.#options.onFailure(error)
      return false
    }
  }

  #receive(): boolean {
    for (let octets = 0, messages = 0; octets < ROUND && messages < EVENTS; messages++) {
      const received = this.#options.socket.receive()
      if (received === 'nothing') return false
      if (received === 'overrun') this.#options.onOverrun()
      else {
        octets += received.length
        this.#received += received.length
        this.#take(received)
      }
    }
    return true
  }

  #take(bytes: Uint8Array): void {
    const attributes = new Attributes(bytes)
    for (const message of messagesOf(bytes)) {
      const isOfDump = message.port === this.#options.socket.port && message.seq === this.#dump?.seq
      if (isOfDump) this.#takeOfDump(message, attributes)
      else if (message.type >= NLMSG_MIN_TYPE) this.#options.onEvent(message, attributes)
    }
  }

  #takeOfDump(message: Message, attributes: Attributes): void {
    const dump = this.#dump as Dump
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) dump.isWhole = false
    if (message.type >= NLMSG_MIN_TYPE) {
      dump.each(message, attributes)
      return
    }
    if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) return
    const { errno, text } = readAnswer(attributes, message)
    const isFine = errno === 0 || errno === ENOENT
    this.#endDump(isFine ? undefined : new Error(text ?? errnoText(errno)))
  }

  #endDump(error: Error | undefined): void {
    const dump = this.#dump
    this.#dump = undefined
    if (error === undefined) dump?.resolve(dump.isWhole)
    else dump?.reject(error)
  }
}
