/** Whether this kernel can sign TCP segments: TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925). */
import { CallError, closeSocket, IPPROTO_TCP, openSocket, setOption } from './libc.ts'

// Numbers of Linux, the same on every architecture that we run on.
export const TCP_MD5SIG_EXT = 32
export const TCP_AO_DEL_KEY = 39
/** No key and no address: the call changes nothing. */
const NOTHING = new Uint8Array(216)

export interface Signatures {
  readonly md5: boolean
  readonly ao: boolean
}

/** Undefined where no socket can be opened. */
export function signatures(): Signatures | undefined {
  try {
    const fd = openSocket('ipv4')
    try {
      return { md5: knows(fd, TCP_MD5SIG_EXT), ao: knows(fd, TCP_AO_DEL_KEY) }
    } finally {
      closeSocket(fd)
    }
  } catch {
    return undefined
  }
}

/** A kernel without the option reports that it is unknown; one with it refuses this argument. */
function knows(fd: number, option: number): boolean {
  try {
    setOption(fd, IPPROTO_TCP, option, NOTHING)
    return true
  } catch (error) {
    return !(error instanceof CallError && error.code === 'ENOPROTOOPT')
  }
}
