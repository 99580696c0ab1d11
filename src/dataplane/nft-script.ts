/**
 * NAT rules → one nftables script. One table of our own, `inet godwit`, replaced as a whole in one transaction.
 *
 * The chain stands behind kube-proxy's (srcnat is 100, ours 110): the first chain that gives a flow an address decides,
 * so what kube-proxy marks for its own masquerade stays its own. It stays even without rules of pools once it is there: a
 * flow that has been translated needs the kernel's NAT hooks and connection tracking to the end, and both stop with their
 * last user. The chain holds the one, the rule behind all others, which does nothing, holds the other.
 *
 * Nothing touches conntrack: a flow keeps what was decided at its first packet.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { NatPlan, NatRule } from './nat.ts'

export const NFT_TABLE = 'godwit'
export const NFT_CHAIN = 'postrouting'
export const NFT_PRIORITY = 110

/** By family: how nft calls it, and our sets. */
const NFT_FAMILY = {
  ipv4: { word: 'ip', type: 'ipv4_addr', pools: 'pools4', hosts: 'hosts4' },
  ipv6: { word: 'ip6', type: 'ipv6_addr', pools: 'pools6', hosts: 'hosts6' },
} as const

interface NftRule {
  readonly pool: string
  readonly match: string
  readonly verdict: string
  /** What stands beside it in the kernel: the pool, and the digest of the whole plan. */
  readonly comment: string
}

export interface NftScript {
  readonly text: string
  readonly rules: readonly NftRule[]
  /** Comments of all rules in the kernel, in order: those of the pools, and the one that holds connection tracking. */
  readonly comments: readonly string[]
  /** Elements by the name of the set, in order. */
  readonly sets: ReadonlyMap<string, readonly string[]>
}

/** Longest comment that nft takes. */
const COMMENT_LIMIT = 120

export function renderNat(plan: NatPlan): NftScript {
  const sets = renderSets(plan)
  const parts = plan.rules.flatMap((rule) => partsOf(rule, plan))
  const body = [...sets].map(([name, elements]) => `${name} ${elements.join()}`)
  const mark = digest([...body, ...parts.map((part) => Object.values(part).join(' '))].join('\n'))
  const rules = parts.map((part) => ({ ...part, comment: commentOf(part.pool, mark) }))
  const comments = [...rules.map(({ comment }) => comment), `godwit ${mark}`]
  return { text: scriptOf(sets, rules, mark), rules, comments, sets }
}

function renderSets({ pools, hosts }: NatPlan): Map<string, readonly string[]> {
  const sets = new Map<string, readonly string[]>()
  for (const family of FAMILIES) {
    const names = NFT_FAMILY[family]
    sets.set(names.pools, pools[family].map(elementOf))
    sets.set(names.hosts, hosts[family].map(elementOf))
  }
  return sets
}

function scriptOf(sets: ReadonlyMap<string, readonly string[]>, rules: readonly NftRule[], mark: string): string {
  const lines = [`table inet ${NFT_TABLE}`, `delete table inet ${NFT_TABLE}`, `table inet ${NFT_TABLE} {`]
  for (const family of FAMILIES) {
    const { type, pools, hosts } = NFT_FAMILY[family]
    for (const name of [pools, hosts]) {
      const elements = sets.get(name) ?? []
      lines.push(`  set ${name} {`, `    type ${type}; flags interval`)
      if (elements.length > 0) lines.push(`    elements = { ${elements.join(', ')} }`)
      lines.push('  }')
    }
  }
  lines.push(
    `  chain ${NFT_CHAIN} {`,
    `    type nat hook postrouting priority srcnat + ${NFT_PRIORITY - 100}; policy accept;`,
  )
  for (const { match, verdict, comment } of rules) {
    lines.push(`    ${match} counter ${verdict} comment "${comment}"`)
  }
  lines.push(`    ct state established accept comment "godwit ${mark}"`, '  }', '}', '')
  return lines.join('\n')
}

/** A port range is possible only where the packet has ports: one rule for those, one for the rest. */
function partsOf(rule: NatRule, plan: NatPlan): Omit<NftRule, 'comment'>[] {
  const { family } = rule.prefix
  const { word, pools, hosts } = NFT_FAMILY[family]
  const match = [`${word} saddr ${rule.prefix.text}`, `${word} daddr != @${pools}`]
  if (plan.hosts[family].length > 0) match.push(`${word} daddr != @${hosts}`)
  const exclude = rule.exclude.filter((prefix) => prefix.family === family)
  if (exclude.length > 0) match.push(`${word} daddr != { ${exclude.map(elementOf).join(', ')} }`)
  const plain = { pool: rule.pool, match: match.join(' '), verdict: verdictOf(rule, family, undefined) }
  if (rule.ports === undefined) return [plain]
  const ports = `${rule.ports.first}-${rule.ports.last}`
  const withPorts = `${plain.match} meta l4proto { tcp, udp }`
  return [{ pool: rule.pool, match: withPorts, verdict: verdictOf(rule, family, ports) }, plain]
}

function verdictOf({ address, fullyRandom }: NatRule, family: Family, ports: string | undefined): string {
  const random = fullyRandom ? ' fully-random' : ''
  const behind = ports === undefined ? '' : `:${ports}`
  if (address === undefined) return `masquerade${ports === undefined ? '' : ` to ${behind}`}${random}`
  const host = family === 'ipv6' && ports !== undefined ? `[${address}]` : address
  return `snat ${NFT_FAMILY[family].word} to ${host}${behind}${random}`
}

/** nft shows a single address without a length. */
const elementOf = ({ text, length, bytes }: Prefix): string =>
  length === bytes.length * 8 ? text.slice(0, text.indexOf('/')) : text

const commentOf = (pool: string, mark: string): string =>
  `IPPool/${pool.replace(/[^\w.-]/g, '?')}`.slice(0, COMMENT_LIMIT - mark.length - 1).concat(' ', mark)

/** FNV-1a: to know our own rules again, not to keep anybody out. */
function digest(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
