/**
 * A peer's fault, as a value that knows its answer: either the NOTIFICATION that ends the session
 * (RFC 4271 §6) or the lesser action RFC 7606 asks for. Our own faults throw instead.
 */

/** The session must end with this NOTIFICATION. */
export interface MessageError {
  readonly kind: 'message-error'
  readonly code: number
  readonly subcode: number
  /** The Data field of the NOTIFICATION. */
  readonly data: Uint8Array
  /** One line for people: what was wrong, with the value found. */
  readonly text: string
}

/** RFC 7606 §2, weakest first: discard the attribute, or treat the routes as withdrawn. */
export type UpdateAction = 'discard' | 'withdraw'

/** A fault in an UPDATE that does not end the session. */
export interface UpdateProblem {
  readonly kind: 'update-problem'
  readonly action: UpdateAction
  /** Type code of the path attribute that is wrong or missing; undefined where none is to blame. */
  readonly attribute: number | undefined
  readonly text: string
}

const NO_DATA = new Uint8Array(0)

export function messageError(code: number, subcode: number, text: string, data: Uint8Array = NO_DATA): MessageError {
  return { kind: 'message-error', code, subcode, data, text }
}
