import { expect, test } from 'vitest'
import { Forwarding } from '../../../src/edge/kernel/forwarding.ts'
import type { Input } from '../../../src/engine/input.ts'

test('forwarding that is off is told once, and that it is on again', () => {
  const settings: Record<string, string | undefined> = { 'net.ipv4.ip_forward': '0' }
  const inputs: Input[] = []
  const forwarding = new Forwarding({ feed: (input) => inputs.push(input), read: (setting) => settings[setting] })
  forwarding.look()
  forwarding.look()
  expect(forwarding.families).toEqual(['ipv6'])
  const text = 'is 0: this node forwards no IPv4 packets; sysctl -w net.ipv4.ip_forward=1'
  const error = { kind: 'source-problem', at: 'net.ipv4.ip_forward', level: 'warning' }
  expect(inputs.splice(0)).toEqual([{ kind: 'objects', changes: [{ ...error, text }] }])
  settings['net.ipv4.ip_forward'] = '1'
  forwarding.look()
  expect(inputs).toEqual([{ kind: 'objects', changes: [{ ...error, text: undefined }] }])
  expect(forwarding.families).toEqual(['ipv4', 'ipv6'])
})
