/** KEEPALIVE is a header and nothing else (RFC 4271 §4.4); the framer refuses any other length. */
import { wrapMessage } from './header.ts'

export const KEEPALIVE: Uint8Array = wrapMessage('keepalive', new Uint8Array(0))
