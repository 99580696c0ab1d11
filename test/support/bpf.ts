/** A machine of the few instructions of classic BPF that our filters use: what the kernel would do with a packet. */
import type { FilterRow } from '../../src/edge/libc.ts'
import { IP_HEADER, MOST_INSTRUCTIONS } from '../../src/edge/net/bpf.ts'

/** Whether a packet with this header passes; throws for what the kernel would refuse. */
export function passes(rows: readonly FilterRow[], header: Uint8Array): boolean {
  if (rows.length > MOST_INSTRUCTIONS) throw new Error(`${rows.length} instructions`)
  const view = new DataView(header.buffer)
  let [a, x] = [0, 0]
  for (let at = 0; ; at++) {
    const row = rows[at]
    if (row === undefined) throw new Error('runs off its end')
    const [code, ifTrue, ifFalse, number] = row
    if (ifTrue > 255 || ifFalse > 255) throw new Error('jumps too far')
    if (code === 0x30) a = view.getUint8(number - IP_HEADER)
    else if (code === 0x20) a = view.getUint32(number - IP_HEADER)
    else if (code === 0x07) x = a
    else if (code === 0x24) a = Math.imul(a, number) >>> 0
    else if (code === 0x74) a >>>= number
    else if (code === 0xac) a = (a ^ x) >>> 0
    else if (code === 0x05) at += number
    else if (code === 0x15) at += a === number ? ifTrue : ifFalse
    else if (code === 0x35) at += a >= number ? ifTrue : ifFalse
    else if (code === 0x06) return number > 0
    else throw new Error(`instruction ${code}`)
  }
}
