/**
 * A socket to the kernel's routing (rtnetlink(7)), or to its packet filter.
 *
 * One socket reads: events and dumps. One writes: the events that it causes are not reported to the reader, because the
 * writer knows them.
 */

import { errorText } from '../error-text.ts'
import {
  attachFilter,
  CallError,
  closeSocket,
  droppedBy,
  openNetlinkSocket,
  receive,
  send,
  sendApart,
  setOption,
  setReceiveBuffer,
  watchReadable,
} from '../libc.ts'

// Numbers of Linux, the same on every architecture that we run on.
const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_NO_ENOBUFS = 5
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12

/** Octets of the socket's buffer: it holds some thousand events. Beyond that the kernel drops them. */
export const RECEIVE_BUFFER = 4 * 1024 * 1024
/** The kernel puts at most 32 KiB of a dump into one answer. */
const LARGEST = 64 * 1024

/** The octets that were read; `overrun`: the kernel has dropped events for lack of room. */
type Received = Uint8Array | 'nothing' | 'overrun'

export interface NetlinkSocket {
  /** The port by which the kernel names us as the sender. */
  readonly port: number
  /** Like all others it throws once the socket was closed. */
  send(bytes: Uint8Array): void
  /** Sends on another thread: the kernel carries out a message while it is sent. */
  sendApart(bytes: Uint8Array): Promise<void>
  /** Valid until the next call. */
  receive(): Received
  /** Calls back whenever there is something to read. */
  onReadable(call: () => void): void
  close(): void
}

interface NetlinkSocketOptions {
  /** `NETLINK_*`: the part of the kernel; `NETLINK_ROUTE` by default. */
  readonly protocol?: number
  /** `RTNLGRP_*` or `NFNLGRP_*`: groups of events. */
  readonly groups?: readonly number[]
  /** Events that the owner of this port caused are left out. */
  readonly without?: number
  /** Octets of the receive buffer; `RECEIVE_BUFFER` by default. */
  readonly room?: number
}

/** Throws a reason for people. */
export type OpenNetlink = (options?: NetlinkSocketOptions) => NetlinkSocket

export const openNetlink: OpenNetlink = (options = {}) => {
  try {
    return new Socket(options)
  } catch (error) {
    throw new Error(`no netlink socket can be opened: ${errorText(error)}`)
  }
}

class Socket implements NetlinkSocket {
  readonly port: number
  readonly #fd: number
  readonly #bytes = new Uint8Array(LARGEST)
  #dropped = 0
  #poll: { close(): void } | undefined
  /** Sends under way: the descriptor must not be closed during one. */
  #sending = 0
  #isClosed = false

  constructor({ protocol = NETLINK_ROUTE, groups = [], without, room = RECEIVE_BUFFER }: NetlinkSocketOptions) {
    const { fd, port } = openNetlinkSocket(protocol)
    this.#fd = fd
    this.port = port
    try {
      if (without !== undefined) this.#leaveOut(without)
      this.#setUp(groups, room)
    } catch (error) {
      closeSocket(fd)
      throw error
    }
  }

  send(bytes: Uint8Array): void {
    this.#mustBeOpen()
    send(this.#fd, bytes)
  }

  async sendApart(bytes: Uint8Array): Promise<void> {
    this.#mustBeOpen()
    this.#sending++
    try {
      await sendApart(this.#fd, bytes)
    } finally {
      this.#sending--
      if (this.#isClosed && this.#sending === 0) closeSocket(this.#fd)
    }
  }

  receive(): Received {
    this.#mustBeOpen()
    const length = receive(this.#fd, this.#bytes)
    if (length !== undefined) return this.#bytes.subarray(0, length)
    // The kernel would also report this by ENOBUFS, but that is an error of the socket: libuv then stops polling it.
    const dropped = droppedBy(this.#fd)
    const isMore = dropped !== this.#dropped
    this.#dropped = dropped
    return isMore ? 'overrun' : 'nothing'
  }

  onReadable(call: () => void): void {
    this.#poll = watchReadable(this.#fd, call)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#poll?.close()
    if (this.#sending === 0) closeSocket(this.#fd)
  }

  /** The number of a closed descriptor may be another one's by now. */
  #mustBeOpen(): void {
    if (this.#isClosed) throw new Error('the socket was closed')
  }

  #setUp(groups: readonly number[], room: number): void {
    setReceiveBuffer(this.#fd, room)
    // A kernel without these options (before 4.20) reports less, and we read more than we asked for.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK, NETLINK_NO_ENOBUFS]) {
      this.#try(option)
    }
    for (const group of groups) setOption(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
  }

  #try(option: number): void {
    try {
      setOption(this.#fd, SOL_NETLINK, option, 1)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
    }
  }

  /** A filter on the port in the header of a message, octets 12 to 15. It reads numbers in network order. */
  #leaveOut(port: number): void {
    const octets = new Uint8Array(Uint32Array.of(port).buffer)
    const number = octets.reduce((sum, octet) => sum * 256 + octet, 0)
    attachFilter(this.#fd, [
      [0x20, 0, 0, 12],
      [0x15, 0, 1, number],
      [0x06, 0, 0, 0],
      [0x06, 0, 0, 0xffffffff],
    ])
  }
}
