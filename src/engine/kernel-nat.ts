/**
 * NAT of this node: what pools want against what the kernel has. One script is with the edge at a time; what was right
 * when last read is remembered, so that whatever somebody changes in our table is noticed and made good.
 */
import type { Millis } from '../base/units.ts'
import type { DataplaneIntent, Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import { same } from '../cluster/same.ts'
import type { Failure } from '../dataplane/kernel.ts'
import { type NatPlan, type NodeAddresses, natProblems, planNat } from '../dataplane/nat.ts'
import { type NftScript, renderNat } from '../dataplane/nft-script.ts'
import { fingerprint, type NftTable, whyNotSame } from '../dataplane/nft-table.ts'
import type { NatView } from '../show/view.ts'
import type { Outbox } from './outbox.ts'
import { tell } from './tell.ts'

const FIRST_RETRY: Millis = 1_000
const LAST_RETRY: Millis = 60_000

export class KernelNat {
  readonly #out: Outbox
  readonly #addresses: NodeAddresses
  #intent: DataplaneIntent | undefined
  #plan: NatPlan | undefined
  #script: NftScript | undefined
  /** As last read; `read` is false before that. */
  #table: NftTable | undefined
  #read = false
  /** How the table looked when it was right. */
  #right: string | undefined
  #inFlight: number | undefined
  /** The script was taken, and what is read next is what it made. */
  #fresh = false
  #seq = 0
  #failure: string | undefined
  #trouble: string | undefined
  #retryAt: Millis | undefined
  #delay = FIRST_RETRY

  constructor(out: Outbox, addresses: NodeAddresses) {
    this.#out = out
    this.#addresses = addresses
  }

  want(intent: DataplaneIntent, now: Millis): void {
    this.#intent = intent
    const plan = planNat(intent)
    if (same(plan, this.#plan)) return
    this.#plan = plan
    this.#script = renderNat(plan)
    this.#right = undefined
    this.#compare(now)
  }

  takeTable(table: NftTable | undefined, now: Millis): void {
    this.#table = table
    this.#read = true
    if (this.#fresh && table !== undefined) this.#right = fingerprint(table)
    this.#fresh = false
    this.#compare(now)
  }

  applied(seq: number, failed: readonly Failure[], now: Millis): void {
    if (seq !== this.#inFlight) return
    this.#inFlight = undefined
    this.#failure = failed[0]?.reason
    if (this.#failure === undefined) {
      this.#fresh = true
      this.#delay = FIRST_RETRY
      this.#retryAt = undefined
      return
    }
    this.#out.tell(tell('warn', 'nat-failed', `the NAT rules could not be written: ${this.#failure}`))
    this.#retryAt = now + this.#delay
    this.#delay = Math.min(this.#delay * 2, LAST_RETRY)
  }

  setTrouble(text: string | undefined): void {
    this.#trouble = text
  }

  deadline(): Millis | undefined {
    return this.#retryAt
  }

  retry(now: Millis): void {
    if (this.#retryAt === undefined || this.#retryAt > now) return
    this.#retryAt = undefined
    this.#compare(now)
  }

  troubles(): readonly string[] {
    if (this.#script === undefined) return []
    const found: string[] = []
    if (this.#trouble !== undefined && this.#isNeeded) found.push(this.#trouble)
    if (this.#failure !== undefined) found.push(`the NAT rules could not be written: ${this.#failure}`)
    return found
  }

  problems(): readonly Problem[] {
    if (this.#intent === undefined) return []
    const troubles = this.troubles().map((says) => makeProblem({ code: 'nat-trouble', object: 'NAT', says }))
    return [...troubles, ...natProblems(this.#intent, this.#addresses)]
  }

  view(): NatView {
    const table = this.#table
    const isSame = this.#script !== undefined && whyNotSame(this.#script, table, this.#right) === undefined
    return {
      active: table !== undefined && isSame,
      trouble: this.troubles()[0],
      rules: (this.#script?.rules ?? []).map(({ pool, match, verdict }, index) => {
        const counter = isSame ? table?.rules[index] : undefined
        return { pool, rule: `${match} ${verdict}`, packets: counter?.packets, bytes: counter?.bytes }
      }),
    }
  }

  /** A table without a rule is not made; one that is there is kept, since flows may live on what it once said. */
  get #isNeeded(): boolean {
    return this.#script !== undefined && (this.#script.rules.length > 0 || this.#table !== undefined)
  }

  #compare(now: Millis): void {
    const script = this.#script
    if (script === undefined || !this.#read || this.#inFlight !== undefined) return
    if (!this.#isNeeded || (this.#retryAt !== undefined && this.#retryAt > now)) return
    const why = whyNotSame(script, this.#table, this.#right)
    if (why === undefined) {
      if (this.#table !== undefined) this.#right = fingerprint(this.#table)
      this.#failure = undefined
      return
    }
    const fields = { rules: script.rules.length, reason: why }
    if (this.#right !== undefined)
      this.#out.tell(tell('warn', 'nat-repaired', `somebody changed our NAT rules: ${why}`, fields))
    else this.#out.tell(tell('info', 'nat-written', `${script.rules.length} NAT rules are written: ${why}`, fields))
    this.#seq++
    this.#inFlight = this.#seq
    this.#out.push({ kind: 'nat', seq: this.#seq, script: script.text })
  }
}
