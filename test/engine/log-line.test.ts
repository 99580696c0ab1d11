import { expect, test } from 'vitest'
import { notificationLine } from '../../src/engine/log-line.ts'

test.each([
  ['of one that is held down and calls every few seconds', 'sent', 6, 5, 'debug'],
  ['of one that turns us away', 'received', 6, 5, 'warn'],
  ['that ends one of two connections of the same pair', 'sent', 6, 7, 'info'],
  ['and the same from the other side', 'received', 6, 7, 'info'],
  ['of one that is stopped', 'sent', 6, 2, 'warn'],
  ['of one with a fault', 'sent', 2, 5, 'warn'],
] as const)('how loud a NOTIFICATION is: %s', (_name, direction, code, subcode, level) => {
  expect(notificationLine('rack', { kind: 'notification', direction, code, subcode, text: 'x' }).level).toBe(level)
})
