/**
 * Our nftables table: compares what pools and advertised services require with what the kernel has. The edge runs one
 * script at a time. The last correct content is remembered, so that a change by another program is detected and
 * repaired.
 */
import { counted } from '../base/counted.ts'
import { earlier } from '../base/timers.ts'
import { inMillis, inSeconds, type Millis, type Seconds } from '../base/units.ts'
import { proceed, type Work } from '../base/work.ts'
import type { DataplaneIntent, Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import { same } from '../cluster/same.ts'
import type { Failure } from '../dataplane/kernel.ts'
import { type NatPlan, type NodeAddresses, natProblems, planNat } from '../dataplane/nat.ts'
import { BEGUN_TIME, NAT_CHAIN, type NftChange, type NftScript, renderNft } from '../dataplane/nft-script.ts'
import {
  type EqualSets,
  findDifference,
  type NftDifference,
  type NftTable,
  rulesText,
  whyNotSame,
} from '../dataplane/nft-table.ts'
import type { LoopPlan } from '../dataplane/service-loops.ts'
import type { NatView } from '../show/view.ts'
import { logLine } from './log-line.ts'
import type { Outbox } from './outbox.ts'

const FIRST_RETRY: Millis = 1_000
const LAST_RETRY: Millis = 60_000
/** The least time between two changes of sets only: with ten services a second there is one change a second. */
const SET_PAUSE: Millis = 1_000
/** What one turn spends on comparing and rendering, in about microseconds. */
const SHARE = 1_000

export class KernelNft {
  readonly #out: Outbox
  readonly #addresses: NodeAddresses
  #intent: DataplaneIntent | undefined
  #nat: NatPlan | undefined
  #loops: LoopPlan | undefined
  /** The script for both plans; undefined after one of them has changed. */
  #script: NftScript | undefined
  /** As read last; `read` is false before the first reading. */
  #table: NftTable | undefined
  #read = false
  /** The script that the kernel was seen to have. */
  #confirmed: NftScript | undefined
  /** The text of the kernel's rules when it was seen to have `#confirmed`. */
  #confirmedText: string | undefined
  #inFlight: number | undefined
  /** The last script was accepted, and the next reading shows its result. */
  #fresh = false
  /** That reading has not come yet: what was read before is no longer true. */
  #isOutdated = false
  /** Comparing, and what follows from it, under way; it begins again whenever something has changed. */
  #comparing: Work | undefined
  #now: Millis = 0
  readonly #equal: EqualSets = new WeakMap()
  /** The table may not be what we take it for: the next script writes all of it. */
  #isDoubtful = false
  #seq = 0
  /** The last script that was sent. */
  #written: NftScript | undefined
  #failure: string | undefined
  #error: string | undefined
  #retryAt: Millis | undefined
  #delay = FIRST_RETRY
  /** Before this time sets are not changed alone, and a change is waiting. */
  #setsFrom: Millis = 0
  #setsWait = false
  /** The kernel has had our NAT chain since we started. */
  #hadNat = false
  /** Until when flows that began before our NAT are not translated. */
  #begunUntil: Millis | undefined

  constructor(out: Outbox, addresses: NodeAddresses) {
    this.#out = out
    this.#addresses = addresses
  }

  *want(intent: DataplaneIntent, now: Millis): Work {
    this.#intent = intent
    const plan = yield* planNat(intent)
    if (same(plan, this.#nat)) return
    this.#nat = plan
    this.#script = undefined
    this.#compare(now)
  }

  /** When a plan for advertised services can be written: an earlier one would only wait. */
  get takesLoopsFrom(): Millis {
    return this.#setsFrom
  }

  setLoops(plan: LoopPlan, now: Millis): void {
    this.#loops = plan
    this.#script = undefined
    this.#compare(now)
  }

  takeTable(table: NftTable | undefined, now: Millis): void {
    const hasNat = table?.chains.has(NAT_CHAIN) === true
    if (hasNat !== this.#keepsNat) this.#script = undefined
    this.#table = table
    this.#read = true
    this.#isOutdated = false
    if (table !== undefined && hasNat) {
      this.#hadNat = true
      this.#begunUntil = now + inMillis(table.begun)
    }
    this.#compare(now)
  }

  applied(seq: number, failed: readonly Failure[], now: Millis): void {
    if (seq !== this.#inFlight) return
    this.#inFlight = undefined
    const reason = failed[0]?.reason
    this.#fresh = reason === undefined
    this.#isOutdated = this.#fresh
    if (reason !== undefined) this.#fail(reason, now)
  }

  #fail(reason: string, now: Millis): void {
    this.#failure = reason
    this.#out.log(logLine('warn', 'nft-failed', `our nftables rules could not be written: ${reason}`))
    this.#isDoubtful = true
    this.#retryAt = now + this.#delay
    this.#delay = Math.min(this.#delay * 2, LAST_RETRY)
  }

  setError(text: string | undefined): void {
    this.#error = text
  }

  deadline(now: Millis): Millis | undefined {
    if (this.#comparing !== undefined) return now
    return earlier(this.#retryAt, this.#setsWait ? this.#setsFrom : undefined)
  }

  /** Also goes on with comparing. Returns whether `errors` has changed. */
  retry(now: Millis): boolean {
    const before = this.#failure
    const isDue = this.#retryAt !== undefined && this.#retryAt <= now
    if (isDue) this.#retryAt = undefined
    if (isDue || (this.#setsWait && this.#setsFrom <= now)) this.#compare(now)
    this.#now = now
    if (this.#comparing !== undefined && proceed(this.#comparing, SHARE) !== undefined) this.#comparing = undefined
    return this.#failure !== before
  }

  errors(): readonly string[] {
    const found: string[] = []
    if (this.#error !== undefined && this.#isNeeded) found.push(this.#error)
    if (this.#failure !== undefined) found.push(`our nftables rules could not be written: ${this.#failure}`)
    return found
  }

  problems(): readonly Problem[] {
    if (this.#intent === undefined) return []
    const errors = this.errors().map((says) => makeProblem({ code: 'nft-trouble', object: 'nftables', says }))
    return [...errors, ...natProblems(this.#intent, this.#addresses)]
  }

  view(): NatView {
    const table = this.#table
    const script = this.#wanted
    const isSame = script !== undefined && whyNotSame(script, table, this.#confirmedText) === undefined
    const counters = new Map(isSame ? table?.rules.map((rule) => [rule.comment, rule]) : [])
    const rules = [...(script?.rules ?? [])].flatMap(([comment, shown]) => {
      const { packets, bytes } = counters.get(comment) ?? {}
      if (shown === undefined) return []
      const { pool, family, match, verdict } = shown
      return [{ pool, family, rule: `${match} ${verdict}`, packets, bytes }]
    })
    return {
      active: table !== undefined && isSame,
      error: this.errors()[0],
      rules: rules.flatMap(({ pool, ...rule }) => (pool === undefined ? [] : [{ pool, ...rule }])),
      serviceLoops: {
        prevention: this.#intent?.serviceLoopPrevention ?? 'Disabled',
        rules: rules.filter(({ pool }) => pool === undefined),
        services: lengthOf(this.#loops?.services),
        spared: lengthOf(this.#loops?.spared),
      },
    }
  }

  get #isNeeded(): boolean {
    return (this.#wanted?.chains.size ?? 0) > 0
  }

  /** An existing NAT chain is kept: flows may depend on it. */
  get #keepsNat(): boolean {
    return this.#table?.chains.has(NAT_CHAIN) === true
  }

  /** Undefined until both plans are known. */
  get #wanted(): NftScript | undefined {
    if (this.#nat === undefined || this.#loops === undefined) return undefined
    this.#script ??= renderNft({ nat: this.#nat, loops: this.#loops, keepsNat: this.#keepsNat })
    return this.#script
  }

  #compare(now: Millis): void {
    this.#comparing = undefined
    this.#setsWait = false
    if (!this.#read || this.#isOutdated || this.#inFlight !== undefined) return
    if (this.#retryAt !== undefined && this.#retryAt > now) return
    const script = this.#wanted
    if (script !== undefined) this.#comparing = this.#follow(script)
  }

  *#follow(script: NftScript): Work {
    const difference = yield* findDifference(script, this.#table, this.#confirmedRulesOf(script), this.#equal)
    const isOutcome = this.#fresh && script === this.#written
    this.#fresh = false
    if (difference === undefined) this.#settle(script)
    // A retry at once could repeat without end.
    else if (isOutcome) this.#fail(`the rules in the kernel differ from those written: ${difference.why}`, this.#now)
    else if (difference.in === 'sets' && this.#setsFrom > this.#now) this.#setsWait = true
    else yield* this.#write(script, difference)
  }

  /** The text of this script's rules when they were correct. */
  #confirmedRulesOf(script: NftScript): string | undefined {
    return this.#confirmed !== undefined && sameRules(this.#confirmed, script) ? this.#confirmedText : undefined
  }

  #settle(script: NftScript): void {
    this.#confirmed = script
    this.#confirmedText = this.#table === undefined ? undefined : rulesText(this.#table)
    this.#isDoubtful = false
    this.#failure = undefined
    this.#retryAt = undefined
    this.#delay = FIRST_RETRY
  }

  *#write(script: NftScript, difference: NftDifference): Work {
    const changed =
      this.#confirmed && (yield* findDifference(this.#confirmed, this.#table, this.#confirmedText, this.#equal))
    const change = yield* this.#changeTo(script, difference)
    this.#logWhy(script, difference, changed?.why)
    if (script.chains.has(NAT_CHAIN) && !this.#hadNat) this.#begunUntil = this.#now + inMillis(BEGUN_TIME)
    if (change.kind === 'sets') this.#setsFrom = this.#now + SET_PAUSE
    this.#seq++
    this.#inFlight = this.#seq
    this.#written = script
    this.#out.push({ kind: 'nft', seq: this.#seq, change })
  }

  *#changeTo(script: NftScript, difference: NftDifference): Work<NftChange> {
    if (difference.in === 'sets' && !this.#isDoubtful) return { kind: 'sets', changes: difference.changes }
    return { kind: 'table', body: script.chains.size === 0 ? undefined : yield* script.body(this.#begunFor(script)) }
  }

  /** For how long flows from before NAT are still not translated. */
  #begunFor(script: NftScript): Seconds {
    if (script.chains.has(NAT_CHAIN) && !this.#hadNat) return BEGUN_TIME
    return inSeconds(Math.max(0, (this.#begunUntil ?? this.#now) - this.#now))
  }

  /** `changed`: what another program has changed. */
  #logWhy(script: NftScript, { in: what, why }: NftDifference, changed: string | undefined): void {
    const fields = { rules: script.rules.size, reason: why }
    if (changed !== undefined)
      this.#out.log(
        logLine('warn', 'nft-repaired', `another program changed the nftables rules of Godwit: ${changed}`, fields),
      )
    else if (what === 'table')
      this.#out.log(
        logLine(
          'info',
          'nft-written',
          `${counted(script.rules.size, 'nftables rule is', 'nftables rules are')} written: ${why}`,
          fields,
        ),
      )
    else this.#out.log(logLine('debug', 'nft-sets-written', `elements of nftables sets are written: ${why}`, fields))
  }
}

const sameRules = (a: NftScript, b: NftScript): boolean =>
  [...a.rules.keys()].join('\n') === [...b.rules.keys()].join('\n')

const lengthOf = (byFamily: LoopPlan['services'] | undefined): number =>
  byFamily === undefined ? 0 : byFamily.ipv4.length + byFamily.ipv6.length
