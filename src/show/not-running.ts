import { CODE, type Row } from './reply.ts'

/** The very words of a BIRD without this protocol, and its code: readers of BIRD know them. */
export const notRunning = (protocol: string): Row => ({
  code: CODE.syntaxError,
  text: `There is no ${protocol} protocol running`,
})
