/**
 * OPEN (RFC 4271 §4.2).
 *
 *     | header 19 | version 1 | my AS 2 | hold time 2 | identifier 4 | length 1 | parameters … |
 *
 * A parameter is `type 1 | length 1 | value`. The extended form (RFC 9072 §2), for more than 255 octets of them:
 *
 *     … | 255 | 255 | length 2 | parameters: type 1, length 2, value … |
 */
import { ByteWriter, Reader, ShortRead } from '../../base/bytes.ts'
import type { Asn } from '../../base/units.ts'
import { decodeCapabilities, encodeCapabilities } from './capability.ts'
import { type MessageError, messageError } from './error.ts'
import { HEADER_LENGTH, MESSAGE_SIZE, type MessageFrame, wrapMessage } from './header.ts'
import type { Capability, Open } from './message.ts'
import { ERROR, OPEN_ERROR } from './notification.ts'

export const BGP_VERSION = 4
/** Stands for an AS number that needs four octets where there are only two (RFC 6793 §9). */
export const AS_TRANS = 23456
/** Optional parameter type of capabilities (RFC 5492 §4). */
const CAPABILITIES = 2
/** Marks the extended form (RFC 9072 §2). */
const EXTENDED = 255

/** The sender's AS number: that of the four-octet capability where there is one (RFC 6793 §4.1). */
export function asnOf(open: Open): Asn {
  for (const capability of open.capabilities) if (capability.kind === 'four-octet-as') return capability.asn
  return open.myAs
}

/**
 * RFC 4271 §6.2, as far as it needs no configuration: whether AS and identifier are the right ones is for the session.
 */
export function decodeOpen(frame: MessageFrame): Open | MessageError {
  const reader = new Reader(frame.bytes, frame.start + HEADER_LENGTH, frame.end)
  try {
    const version = reader.u8()
    if (version !== BGP_VERSION) {
      // RFC 4271 §6.2: Data is the version we speak, in two octets.
      return openError(OPEN_ERROR.unsupportedVersion, `version ${version} is not 4`, Uint8Array.of(0, BGP_VERSION))
    }
    const myAs = reader.u16()
    const holdTime = reader.u16()
    const routerId = reader.u32()
    const capabilities = decodeParameters(reader)
    if ('kind' in capabilities) return capabilities
    const open: Open = { kind: 'open', version, myAs, holdTime, routerId, capabilities }
    return whyNotOpen(open) ?? open
  } catch (error) {
    if (error instanceof ShortRead) return openError(OPEN_ERROR.unspecific, `an OPEN is cut short: ${error.message}`)
    throw error
  }
}

function whyNotOpen(open: Open): MessageError | undefined {
  const asn = asnOf(open)
  // RFC 7607 §2: AS 0 is no AS number of a speaker.
  if (asn === 0 || open.myAs === 0) return openError(OPEN_ERROR.badPeerAs, 'the AS number is 0')
  // RFC 6793 §4.1: two octets hold the same number, or AS_TRANS.
  if (open.myAs !== asn && open.myAs !== AS_TRANS) {
    return openError(OPEN_ERROR.badPeerAs, `My Autonomous System is ${open.myAs}, the four-octet AS number ${asn}`)
  }
  if (open.holdTime === 1 || open.holdTime === 2) {
    return openError(OPEN_ERROR.unacceptableHoldTime, `hold time ${open.holdTime} is neither 0 nor at least 3`)
  }
  // RFC 6286 §2.1: 0 is no BGP Identifier.
  if (open.routerId === 0) return openError(OPEN_ERROR.badIdentifier, 'the BGP Identifier is 0.0.0.0')
  return undefined
}

function decodeParameters(reader: Reader): readonly Capability[] | MessageError {
  let length = reader.u8()
  // RFC 9072 §2: the type decides; a length of 0 means no parameters.
  const extended = length !== 0 && reader.left > 0 && reader.bytes[reader.offset] === EXTENDED
  if (extended) {
    reader.skip(1)
    length = reader.u16()
  }
  if (length !== reader.left) {
    return openError(OPEN_ERROR.unspecific, `${length} octets of optional parameters announced, ${reader.left} there`)
  }
  const capabilities: Capability[] = []
  while (reader.left > 0) {
    const type = reader.u8()
    const value = reader.sub(extended ? reader.u16() : reader.u8())
    if (type !== CAPABILITIES) {
      return openError(OPEN_ERROR.unsupportedParameter, `optional parameter ${type} is unknown`)
    }
    const found = decodeCapabilities(value.bytes, value.offset, value.end)
    if (found === undefined) return openError(OPEN_ERROR.unspecific, 'a capability reaches past its parameter')
    for (const capability of found) capabilities.push(capability)
  }
  return capabilities
}

/** Whole message. All capabilities go in one parameter (RFC 5492 §4), in the extended form when they must. */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = encodeCapabilities(open.capabilities)
  const writer = new ByteWriter(64 + capabilities.length)
  writer.u8(open.version).u16(open.myAs).u16(open.holdTime).u32(open.routerId)
  if (capabilities.length === 0) writer.u8(0)
  else if (capabilities.length <= 253) {
    writer
      .u8(capabilities.length + 2)
      .u8(CAPABILITIES)
      .u8(capabilities.length)
      .raw(capabilities)
  } else {
    writer
      .u8(EXTENDED)
      .u8(EXTENDED)
      .u16(capabilities.length + 3)
      .u8(CAPABILITIES)
      .u16(capabilities.length)
      .raw(capabilities)
  }
  if (writer.length > MESSAGE_SIZE - HEADER_LENGTH) throw new Error(`an OPEN of ${writer.length} octets`)
  return wrapMessage('open', writer.finish())
}

const openError = (subcode: number, text: string, data?: Uint8Array): MessageError =>
  messageError(ERROR.open, subcode, text, data)
