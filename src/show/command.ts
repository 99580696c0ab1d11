/** Parsed commands as plain values. `commands.ts` has the syntax, `answer.ts` the answers. */
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Subject } from './subject.ts'
import type { TimeStyle, TimeStyles } from './time.ts'
import type { Where } from './where/parse.ts'

export type Command =
  | { readonly kind: 'show-status' }
  | { readonly kind: 'show-summary' }
  | { readonly kind: 'show-explain'; readonly subject: Subject }
  | { readonly kind: 'show-protocols'; readonly all: boolean; readonly which: Which | undefined }
  | ShowRoute
  | { readonly kind: 'show-interfaces'; readonly summary: boolean }
  | { readonly kind: 'show-callers' }
  | { readonly kind: 'show-filters'; readonly which: Which | undefined }
  | { readonly kind: 'show-static'; readonly protocol: string | undefined }
  | { readonly kind: 'show-symbols'; readonly of: string | undefined }
  | { readonly kind: 'show-bfd'; readonly which: Which | undefined }
  /** Asks for a protocol that BIRD has and we do not. */
  | { readonly kind: 'show-absent'; readonly protocol: string }
  | { readonly kind: 'show-memory' }
  | { readonly kind: 'show-services' }
  | { readonly kind: 'show-nat' }
  | {
      readonly kind: 'enable' | 'disable' | 'restart' | 'drain' | 'undrain'
      readonly which: Which
      readonly message: string
    }
  | { readonly kind: 'reload'; readonly which: Which; readonly direction: 'in' | 'out' | 'both' }
  | { readonly kind: 'debug'; readonly which: Which; readonly on: boolean }
  | { readonly kind: 'configure'; readonly check: boolean }
  | PlainCommand
  | { readonly kind: 'leave'; readonly reason: string }
  | { readonly kind: 'restrict' }
  | { readonly kind: 'echo'; readonly on: boolean }
  | { readonly kind: 'timeformat'; readonly where: readonly (keyof TimeStyles)[]; readonly style: TimeStyle }
  | { readonly kind: 'help'; readonly about: string }

/** Commands without arguments that are answered in one line. */
export interface PlainCommand {
  readonly kind: 'configure-confirm' | 'configure-undo' | 'eval' | 'down' | 'graceful-restart' | 'stay'
}

export interface ShowRoute {
  readonly kind: 'show-route'
  /** The longest match of a single address, or this very prefix. */
  readonly for: Prefix | undefined
  /** Everything inside this prefix. */
  readonly in: Prefix | undefined
  /** `master4` and `master6` as families. */
  readonly table: Family | undefined
  /** Learned from this neighbor, or originated routes of this kind (`ORIGINATED_KINDS`). */
  readonly protocol: string | undefined
  /** Advertised to this neighbor; before export policy for it; rejected by that. At most one of the three is given. */
  readonly export: string | undefined
  readonly preexport: string | undefined
  readonly noexport: string | undefined
  /** Accepted by the policy of this name. */
  readonly filter: string | undefined
  readonly where: Where | undefined
  /** Rejected on import. */
  readonly filtered: boolean
  /** Best routes only. */
  readonly primary: boolean
  /** With attributes and reasons. */
  readonly all: boolean
  readonly count: boolean
  readonly stats: boolean
}

/** Neighbors: one by its name, or all that a pattern matches. */
export type Which =
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'pattern'; readonly text: string }

/** Facts that are not watched, and are read when a command asks. */
export type Reads = 'nat' | 'bfd'

/** A line from a client, parsed. */
export interface Asked {
  readonly kind: 'command'
  readonly command: Command
  /** The answer is to be JSON text. */
  readonly json: boolean
  /** It changes something: not allowed in restricted mode. */
  readonly acts: boolean
  /** What the system is to be asked before the answer is made. */
  readonly reads: Reads | undefined
}

/** A line from a client that cannot be parsed. */
export interface ParseError {
  readonly kind: 'error'
  readonly text: string
}
