import type { MessageCounts } from './types.ts'

export type MutableMessageCounts = { -readonly [Type in keyof MessageCounts]: number }

export const noMessages = (): MutableMessageCounts => ({
  open: 0,
  update: 0,
  notification: 0,
  keepalive: 0,
  'route-refresh': 0,
})
