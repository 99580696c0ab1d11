import { CODE, type Row } from './reply.ts'

/** BIRD's answer if this protocol does not run, with the code of a syntax error: readers of BIRD know both. */
export const notRunning = (protocol: string): Row => ({
  code: CODE.syntaxError,
  text: `There is no ${protocol} protocol running`,
})

/** For our own client, which tells this from a syntax error. */
export const isNotRunning = (text: string): boolean => /^There is no \w+ protocol running$/.test(text)
