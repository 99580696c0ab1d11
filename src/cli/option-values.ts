/** What the parsers of the command line share: values that options may have, defaults, and how a fault is told. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type ShellName = (typeof SHELLS)[number]

/** The forms an answer can have. */
export const FORMATS = ['text', 'wide', 'json', 'yaml', 'name'] as const
export type Format = (typeof FORMATS)[number]

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const DEFAULT_SOCKET = '/run/godwit/godwit.sock'
export const DEFAULT_NAMESPACE = 'godwit'
export const DEFAULT_GROUP = 'godwit.dev'

/** The command line asks for help, or cannot be used. */
export type NotParsed = { readonly kind: 'help' } | { readonly kind: 'wrong'; readonly text: string }

export const wrong = (text: string): NotParsed => ({
  kind: 'wrong',
  text: `godwit: E_USAGE ${text}; see godwit --help`,
})

/** What was read, or what is wrong with it. An empty value is that of a variable which is not set. */
export function readArguments<Read extends { readonly values: object }>(read: () => Read): Read | string {
  try {
    const found = read()
    const empty = Object.entries(found.values).find(([, value]) => value === '')
    return empty === undefined ? found : `--${empty[0]} needs a value`
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    // Node goes on with how to type a word that begins with a hyphen.
    return text.replace(/^Unknown option '([^']*)'.*$/s, 'unknown option $1')
  }
}
