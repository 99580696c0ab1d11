/** Our nftables table in the kernel: reads its rules from nft's JSON, and compares it with the wanted one. */
import type { Prefix } from '../base/prefix.ts'
import type { Seconds } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { BEGUN_SET, elementOf, type NftScript, type SetChange } from './nft-script.ts'

interface NftCounter {
  readonly packets: number
  readonly bytes: number
}

export interface NftTable {
  /** A running process owns it: no other process can change it. */
  readonly isOwned: boolean
  /** Type, hook, priority and policy by the name of the chain: `nat postrouting 110 accept`. */
  readonly chains: ReadonlyMap<string, string>
  /** Elements by the name of the set. */
  readonly sets: ReadonlyMap<string, readonly string[]>
  /** For how long flows from before NAT are still not translated. */
  readonly begun: Seconds
  readonly rules: readonly NftTableRule[]
}

interface NftTableRule extends NftCounter {
  readonly chain: string
  readonly comment: string
  /** Its matches and statements, as text of nft's JSON: equal for two readings of the same rule. */
  readonly expression: string
}

/** What nft lists in short: the names of our sets without their elements, of which there may be ten thousands. */
export interface NftListing extends Omit<NftTable, 'sets' | 'begun'> {
  readonly sets: readonly string[]
}

type Json = Readonly<Record<string, unknown>>

/** Parses the output of `nft -j -t list table inet godwit`; undefined: it is something else. */
export function parseNftListing(text: string): NftListing | undefined {
  try {
    return parseNftTable(JSON.parse(text))
  } catch {
    return undefined
  }
}

export function parseNftTable(listing: unknown): NftListing | undefined {
  const items = isJson(listing) && Array.isArray(listing.nftables) ? listing.nftables.filter(isJson) : undefined
  if (items === undefined || !items.some(({ table }) => isJson(table))) return undefined
  const of = (kind: string): Json[] => items.map((item) => item[kind]).filter(isJson)
  return {
    isOwned: of('table').some(({ flags }) => [flags].flat().includes('owner')),
    chains: new Map(of('chain').map((chain) => [String(chain.name), chainText(chain)])),
    sets: of('set')
      .map(({ name }) => String(name))
      .filter((name) => name !== BEGUN_SET),
    rules: of('rule').map(parseRule),
  }
}

const chainText = ({ type, hook, prio, policy }: Json): string => [type, hook, prio, policy].join(' ')

function parseRule({ chain, comment, expr }: Json): NftTableRule {
  const parts = Array.isArray(expr) ? expr.filter(isJson) : []
  const counter = parts.map((part) => part.counter).find(isJson)
  const rest = parts.filter((part) => part.counter === undefined)
  return {
    chain: String(chain),
    comment: typeof comment === 'string' ? comment : '',
    expression: JSON.stringify(rest),
    packets: Number(counter?.packets ?? 0),
    bytes: Number(counter?.bytes ?? 0),
  }
}

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What differs from the wanted table: the whole table must be written again, or only elements of sets. */
export type NftDifference =
  | { readonly in: 'table'; readonly why: string }
  | { readonly in: 'sets'; readonly why: string; readonly changes: readonly SetChange[] }

/** Lists of elements that were found to be the same set: by the one that was read, the one that was wanted. */
export type EqualSets = WeakMap<readonly string[], readonly Prefix[]>

/** About what it costs to look at an element, in microseconds. */
const ELEMENT_COST = 0.25

/**
 * How the table differs from the script; undefined: it does not. `rightRules` are the rules as they were last read when they
 * were right. Without them, after a start, rules are compared by their comments. Sets in `equal` are not compared again.
 */
export function* findDifference(
  script: NftScript,
  table: NftTable | undefined,
  rightRules: string | undefined,
  equal: EqualSets = new WeakMap(),
): Work<NftDifference | undefined> {
  const why = whyNotSame(script, table, rightRules)
  if (why !== undefined) return { in: 'table', why }
  const changes: SetChange[] = []
  for (const [set, wanted] of script.sets) {
    const present = table?.sets.get(set) ?? []
    if (equal.get(present) === wanted) continue
    const change = yield* changeOf(set, wanted, present)
    if (change === undefined) equal.set(present, wanted)
    else changes.push(change)
  }
  const [first] = changes
  return first && { in: 'sets', why: `the set ${first.set} has other elements`, changes }
}

/** How chains, rules and the names of sets differ from the script; undefined: they do not. */
export function whyNotSame(
  script: NftScript,
  table: NftTable | undefined,
  rightRules: string | undefined,
): string | undefined {
  if (script.chains.size === 0) return table === undefined ? undefined : 'no rules are needed any more'
  if (table === undefined) return 'the table is missing'
  if (!sameMap(script.chains, table.chains)) return 'the chains differ'
  const comments = table.rules.map(({ comment }) => comment).join('\n')
  if (comments !== [...script.rules.keys()].join('\n')) return 'the rules differ'
  if (rightRules !== undefined && rightRules !== rulesText(table)) return 'the rules were changed'
  const isSame = table.sets.size === script.sets.size && [...script.sets.keys()].every((name) => table.sets.has(name))
  return isSame ? undefined : 'the sets differ'
}

const sameMap = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([name, text]) => b.get(name) === text)

function* changeOf(set: string, wanted: readonly Prefix[], present: readonly string[]): Work<SetChange | undefined> {
  const meter = new CostMeter()
  const left = new Set<string>()
  for (const element of present) {
    left.add(element)
    meter.add(ELEMENT_COST)
    if (meter.isDue) yield meter.take()
  }
  const add: string[] = []
  for (const prefix of wanted) {
    const element = elementOf(prefix)
    if (!left.delete(element)) add.push(element)
    meter.add(ELEMENT_COST)
    if (meter.isDue) yield meter.take()
  }
  yield meter.take()
  return add.length === 0 && left.size === 0 ? undefined : { set, add, remove: [...left] }
}

/** Chains and rules as text, without counters and handles. */
export const rulesText = ({ chains, rules }: NftTable): string =>
  [...[...chains].flat(), ...rules.map(({ comment, expression }) => `${comment} ${expression}`)].join('\n')

/** Whether two readings show the same table, apart from counters. A set that has not changed is the same list. */
export function sameTable(a: NftTable | undefined, b: NftTable | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a.sets.size !== b.sets.size || rulesText(a) !== rulesText(b)) return false
  return [...a.sets].every(([name, elements]) => b.sets.get(name) === elements)
}
