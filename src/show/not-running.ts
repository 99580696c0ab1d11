import { CODE, type Row } from './reply.ts'

/** The text and the code (9001) that BIRD sends when no such protocol runs; programs that parse BIRD's replies expect both. */
export const notRunning = (protocol: string): Row => ({
  code: CODE.syntaxError,
  text: `There is no ${protocol} protocol running`,
})

/** For our own client, which tells this from a syntax error. */
export const isNotRunning = (text: string): boolean => /^There is no \w+ protocol running$/.test(text)
