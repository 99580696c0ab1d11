/**
 * What is wrong with one UPDATE, gathered while it is read (RFC 7606). Discards and withdraws are noted and reading
 * goes on, as the strongest answer of all counts (§3 h); an error that ends the session is returned at once.
 */
import { attributeName } from './attribute-rows.ts'
import { rowOf } from './attribute-tables.ts'
import { type MessageError, messageError, type UpdateAction, type UpdateProblem } from './error.ts'
import { ERROR, UPDATE_ERROR } from './notification.ts'

const NOTHING = new Uint8Array(0)
const NO_PROBLEMS: readonly UpdateProblem[] = []
/** A message may have thousands of broken attributes; only this many are reported, a treat-as-withdraw always among them. */
const MOST_PROBLEMS = 16

export class UpdateFaults {
  problems: readonly UpdateProblem[] = NO_PROBLEMS
  /** The first treat-as-withdraw as the error it becomes where no routes can be withdrawn (RFC 7606 §5.2). */
  withdrawn: MessageError | undefined = undefined
  #message: Uint8Array = NOTHING

  begin(message: Uint8Array): void {
    this.#message = message
    this.problems = NO_PROBLEMS
    this.withdrawn = undefined
  }

  /** A wrong length or value: `subcode` is for a session that has to end over it. */
  malformed(type: number, subcode: number, text: string, attribute: number, end: number): MessageError | undefined {
    const action = rowOf(type)?.malformed
    if (action === 'reset') return this.reset(type, subcode, text, attribute, end)
    if (action === 'discard') return this.discard(type, text)
    return this.withdraw(type, subcode, text, attribute, end)
  }

  wrongFlags(type: number, attribute: number, end: number): undefined {
    const text = `has flags 0x${(this.#message[attribute] as number).toString(16).padStart(2, '0')}`
    if (rowOf(type)?.wrongFlags === 'discard') return this.discard(type, text)
    return this.withdraw(type, UPDATE_ERROR.attributeFlags, text, attribute, end)
  }

  discard(type: number | undefined, text: string): undefined {
    this.#note('discard', type, text)
  }

  withdraw(type: number | undefined, subcode: number, text: string, attribute: number, end: number): undefined {
    this.#note('withdraw', type, text)
    this.withdrawn ??= this.reset(type, subcode, text, attribute, end)
    return undefined
  }

  /** RFC 4271 §6.3: Data is the attribute in [attribute, end), for the subcodes that are about one. */
  reset(type: number | undefined, subcode: number, text: string, attribute: number, end: number): MessageError {
    const bare = subcode === UPDATE_ERROR.malformedAttributeList || subcode === UPDATE_ERROR.malformedAsPath
    return updateError(subcode, `${subject(type)} ${text}`, bare ? NOTHING : this.#message.slice(attribute, end))
  }

  #note(action: UpdateAction, attribute: number | undefined, text: string): void {
    const isFull = this.problems.length >= MOST_PROBLEMS
    if (isFull && (action !== 'withdraw' || this.withdrawn !== undefined)) return
    const problem = { kind: 'update-problem', action, attribute, text: `${subject(attribute)} ${text}` } as const
    this.problems = [...(isFull ? this.problems.slice(0, -1) : this.problems), problem]
  }
}

const subject = (type: number | undefined): string => (type === undefined ? 'UPDATE' : attributeName(type))

export const updateError = (subcode: number, text: string, data = NOTHING): MessageError =>
  messageError(ERROR.update, subcode, text, data)
