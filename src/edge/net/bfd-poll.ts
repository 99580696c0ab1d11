/**
 * Waits in the kernel for packets, for a time, or for a wake-up. A thread in `ppoll` continues within a fraction of a
 * millisecond, where an event loop takes several on a busy machine.
 */
import koffi from 'koffi'
import { inMillis, inNanos, inSeconds, type Millis } from '../../base/units.ts'

const libc = koffi.load(null)
const ppoll = libc.func('ppoll', 'int', ['void *', 'unsigned long', 'void *', 'void *'])
const eventfd = libc.func('eventfd', 'int', ['uint32_t', 'int'])
const write = libc.func('write', 'intptr_t', ['int', 'void *', 'size_t'])
const read = libc.func('read', 'intptr_t', ['int', 'void *', 'size_t'])

// Numbers of Linux, the same on every architecture that we run on.
const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
const POLLIN = 1

/** `struct pollfd` and `struct timespec`. */
const POLL_SIZE = 8
const TIME_SIZE = 16

/** A wake-up from one thread to another (eventfd). */
export class Bell {
  readonly fd: number

  /** A new one, or the one of another thread. */
  constructor(fd: number = eventfd(0, EFD_NONBLOCK_CLOEXEC)) {
    if (fd < 0) throw new Error('no file descriptor is left for BFD')
    this.fd = fd
  }

  ring(): void {
    write(this.fd, BigUint64Array.of(1n), 8)
  }

  /** Clears it until the next wake-up. */
  hush(): void {
    read(this.fd, new Uint8Array(8), 8)
  }
}

/** Returns when one of these can be read, or after this time. */
export function waitFor(descriptors: readonly number[], atMost: Millis): void {
  const polled = new DataView(new ArrayBuffer(descriptors.length * POLL_SIZE))
  for (const [index, fd] of descriptors.entries()) {
    polled.setInt32(index * POLL_SIZE, fd, true)
    polled.setInt16(index * POLL_SIZE + 4, POLLIN, true)
  }
  const time = new DataView(new ArrayBuffer(TIME_SIZE))
  const seconds = Math.floor(inSeconds(atMost))
  time.setBigInt64(0, BigInt(seconds), true)
  time.setBigInt64(8, inNanos(atMost - inMillis(seconds)), true)
  ppoll(new Uint8Array(polled.buffer), descriptors.length, new Uint8Array(time.buffer), null)
}
