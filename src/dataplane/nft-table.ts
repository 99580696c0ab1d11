/** Our nftables table in the kernel: reads it from nft's JSON, and compares it with the wanted one. */
import type { Seconds } from '../base/units.ts'
import { BEGUN_SET, type NftScript } from './nft-script.ts'

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

type Json = Readonly<Record<string, unknown>>

/** Parses the output of `nft -j list table inet godwit`; undefined: it is something else. */
export function parseNftListing(text: string): NftTable | undefined {
  try {
    return parseNftTable(JSON.parse(text))
  } catch {
    return undefined
  }
}

export function parseNftTable(listing: unknown): NftTable | undefined {
  const items = isJson(listing) && Array.isArray(listing.nftables) ? listing.nftables.filter(isJson) : undefined
  if (items === undefined || !items.some(({ table }) => isJson(table))) return undefined
  const of = (kind: string): Json[] => items.map((item) => item[kind]).filter(isJson)
  const sets = new Map(of('set').map(({ name, elem }) => [String(name), Array.isArray(elem) ? elem : []]))
  const begun = sets.get(BEGUN_SET) ?? []
  sets.delete(BEGUN_SET)
  return {
    isOwned: of('table').some(({ flags }) => [flags].flat().includes('owner')),
    chains: new Map(of('chain').map((chain) => [String(chain.name), chainText(chain)])),
    sets: new Map([...sets].map(([name, elements]) => [name, elements.map(parseElement)])),
    begun: Math.max(0, ...begun.map(secondsLeft)),
    rules: of('rule').map(parseRule),
  }
}

const chainText = ({ type, hook, prio, policy }: Json): string => [type, hook, prio, policy].join(' ')

function parseElement(element: unknown): string {
  if (!isJson(element)) return String(element)
  if (isJson(element.prefix)) return `${element.prefix.addr}/${element.prefix.len}`
  return JSON.stringify(element)
}

const secondsLeft = (element: unknown): Seconds =>
  isJson(element) && isJson(element.elem) && typeof element.elem.expires === 'number' ? element.elem.expires : 0

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
export interface NftDifference {
  readonly in: 'table' | 'sets'
  readonly why: string
}

/**
 * How the table differs from the script; undefined: it does not. `known` are the rules as they were last read when they were
 * right. Without them, after a start, rules are compared by their comments.
 */
export function whyNotSame(
  script: NftScript,
  table: NftTable | undefined,
  known: string | undefined,
): NftDifference | undefined {
  const inTable = (why: string): NftDifference => ({ in: 'table', why })
  if (script.chains.size === 0) return table === undefined ? undefined : inTable('no rules are needed any more')
  if (table === undefined) return inTable('the table is missing')
  if (!sameMap(script.chains, table.chains)) return inTable('the chains differ')
  const comments = table.rules.map(({ comment }) => comment).join('\n')
  if (comments !== [...script.rules.keys()].join('\n')) return inTable('the rules differ')
  if (known !== undefined && known !== rulesText(table)) return inTable('the rules were changed')
  if (table.sets.size !== script.sets.size) return inTable('the sets differ')
  for (const [name, elements] of script.sets) {
    const there = table.sets.get(name)
    if (there === undefined) return inTable('the sets differ')
    if (!sameElements(elements, there)) return { in: 'sets', why: `the set ${name} has other elements` }
  }
  return undefined
}

const sameMap = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([name, text]) => b.get(name) === text)

function sameElements(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  const others = new Set(b)
  return a.every((element) => others.has(element))
}

/** Chains and rules as text, without counters and handles. */
export const rulesText = ({ chains, rules }: NftTable): string =>
  [...[...chains].flat(), ...rules.map(({ comment, expression }) => `${comment} ${expression}`)].join('\n')

/** The whole table as text: two tables with equal text have the same effect. */
export const tableText = (table: NftTable): string =>
  [rulesText(table), ...[...table.sets].map(([name, elements]) => `${name} ${elements.join()}`)].join('\n')
