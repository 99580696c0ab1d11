/** Our nftables table as the kernel has it: read from nft's JSON, and compared with what it should be. */
import { NFT_CHAIN, NFT_PRIORITY, type NftScript } from './nft-script.ts'

interface NftCounter {
  readonly packets: number
  readonly bytes: number
}

export interface NftTable {
  /** Hook and priority of our chain: `nat postrouting 110 accept`; undefined where it is missing. */
  readonly chain: string | undefined
  readonly chains: number
  /** Elements by the name of the set, in order. */
  readonly sets: ReadonlyMap<string, readonly string[]>
  readonly rules: readonly NftTableRule[]
}

interface NftTableRule extends NftCounter {
  readonly comment: string
  /** What it matches and does, as text of nft's JSON: two reads of one rule have the same. */
  readonly expression: string
}

type Json = Readonly<Record<string, unknown>>

/** Reads what `nft -j list table inet godwit` prints; undefined where it is something else. */
export function parseNftTable(listing: unknown): NftTable | undefined {
  const items = isJson(listing) && Array.isArray(listing.nftables) ? listing.nftables.filter(isJson) : undefined
  if (items === undefined || !items.some(({ table }) => isJson(table))) return undefined
  const of = (kind: string): Json[] => items.map((item) => item[kind]).filter(isJson)
  const chain = of('chain').find(({ name }) => name === NFT_CHAIN)
  return {
    chain: chain === undefined ? undefined : [chain.type, chain.hook, chain.prio, chain.policy].join(' '),
    chains: of('chain').length,
    sets: new Map(
      of('set').map(({ name, elem }) => [String(name), Array.isArray(elem) ? elem.map(parseElement).sort() : []]),
    ),
    rules: of('rule').map(parseRule),
  }
}

function parseElement(element: unknown): string {
  if (!isJson(element)) return String(element)
  if (isJson(element.prefix)) return `${element.prefix.addr}/${element.prefix.len}`
  return JSON.stringify(element)
}

function parseRule({ comment, expr }: Json): NftTableRule {
  const parts = Array.isArray(expr) ? expr.filter(isJson) : []
  const counter = parts.map((part) => part.counter).find(isJson)
  const rest = parts.filter((part) => part.counter === undefined)
  return {
    comment: typeof comment === 'string' ? comment : '',
    expression: JSON.stringify(rest),
    packets: Number(counter?.packets ?? 0),
    bytes: Number(counter?.bytes ?? 0),
  }
}

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Why what is there is not what the script makes; undefined where it is. `known` is how the table looked when it was last
 * read as right: without it (after a start) the comments of our rules vouch for them.
 */
export function whyNotSame(
  script: NftScript,
  table: NftTable | undefined,
  known: string | undefined,
): string | undefined {
  if (table === undefined) return 'the table is missing'
  if (known !== undefined) return known === fingerprint(table) ? undefined : 'the table was changed'
  if (table.chain !== `nat postrouting ${NFT_PRIORITY} accept` || table.chains !== 1) return 'the chain is another'
  if (table.sets.size !== script.sets.size) return 'the sets are others'
  for (const [name, elements] of script.sets) {
    if (table.sets.get(name)?.join() !== [...elements].sort().join()) return `the set ${name} has other elements`
  }
  const comments = table.rules.map(({ comment }) => comment).join('\n')
  return comments === script.comments.join('\n') ? undefined : 'the rules are others'
}

/** All that the table does, as text: counters and numbers that the kernel gives out are left aside. */
export function fingerprint({ chain, chains, sets, rules }: NftTable): string {
  const elements = [...sets].map(([name, list]) => `${name} ${list.join()}`).sort()
  return [chain, chains, ...elements, ...rules.map(({ comment, expression }) => `${comment} ${expression}`)].join('\n')
}
