/** What the kernel's messages say, as octets: NLMSG_ERROR answers a request, NLMSG_DONE ends a dump. */
import { describe, expect, test } from 'vitest'
import {
  Attributes,
  type Message,
  messagesOf,
  NetlinkWriter,
  readAnswer,
} from '../../../src/edge/kernel/netlink-message.ts'

const [NLMSG_ERROR, NLMSG_DONE] = [2, 3]
const [NLM_F_CAPPED, NLM_F_ACK_TLVS] = [0x100, 0x200]
const NLMSGERR_ATTR_MSG = 1
const EINVAL = 22

function written(write: (writer: NetlinkWriter) => void): { attributes: Attributes; message: Message } {
  const writer = new NetlinkWriter(256)
  write(writer)
  writer.end()
  const bytes = writer.take()
  return { attributes: new Attributes(bytes), message: messagesOf(bytes)[0] as Message }
}

/** `ours`: octets of our request that follow the number of the error. */
function answerOf(type: number, flags: number, ours: number): unknown {
  const { attributes, message } = written((writer) => {
    writer.begin(type, NLM_F_ACK_TLVS | flags, 1)
    writer.number(-EINVAL)
    if (ours > 0) writer.number(ours)
    for (let octet = 4; octet < ours; octet++) writer.octets(0)
    writer.attribute(NLMSGERR_ATTR_MSG, Buffer.from('Invalid values in header.\0'))
  })
  return readAnswer(attributes, message)
}

describe("the kernel's own text for an error is read", () => {
  test.each([
    ['after the whole request', NLMSG_ERROR, 0, 28],
    ['after the header of the request', NLMSG_ERROR, NLM_F_CAPPED, 16],
    ['at the end of a dump, where no part of the request precedes it', NLMSG_DONE, 0, 0],
  ])('%s', (_, type, flags, ours) => {
    expect(answerOf(type, flags, ours)).toEqual({ errno: EINVAL, text: 'Invalid values in header' })
  })
})

test('an attribute that is too short for its value has none', () => {
  const { attributes, message } = written((writer) => {
    writer.begin(24, 0, 1)
    writer.attribute(5, new Uint8Array(0))
    writer.attribute(6, Uint8Array.of(9))
    writer.attribute(7, Uint8Array.of(1, 2))
  })
  attributes.read(message.from, message.to)
  expect([attributes.octet(5), attributes.octet(6), attributes.number(7)]).toEqual([undefined, 9, undefined])
})
