/** Everything worth telling somebody who reads logs: one line for people, fields for machines. */
export interface Tell {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Stable: `session-up`. */
  readonly code: string
  readonly text: string
  readonly fields: Readonly<Record<string, string | number | boolean | null>>
}
