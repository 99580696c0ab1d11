import { CODE, type Row } from './reply.ts'

/** What BIRD answers where this protocol does not run, with its code: readers of BIRD know both. */
export const notRunning = (protocol: string): Row => ({
  code: CODE.syntaxError,
  text: `There is no ${protocol} protocol running`,
})
