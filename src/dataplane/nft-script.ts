/**
 * NAT of outgoing traffic and the end of service loops → nftables' language. One table of our own, `inet godwit`: replaced
 * as a whole in one transaction, or only what is in its sets where its rules are right, so that counters go on.
 *
 * `postrouting` stands behind kube-proxy's (srcnat is 100, ours 110): the first chain that gives a flow an address decides,
 * so what kube-proxy marks for its own masquerade stays its own. It stays even without rules of pools once it is there: a
 * flow that has been translated needs the kernel's NAT hooks and connection tracking to the end, and both stop with their
 * last user. The chain holds the one, the rule behind all others, which does nothing, holds the other.
 *
 * `forward` stands behind kube-proxy's and everybody's filters (filter is 0, ours 10) and asks nothing of connection
 * tracking: where an eBPF replacement of kube-proxy has none, none is switched on.
 *
 * Nothing touches conntrack: a flow keeps what was decided at its first packet.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Seconds } from '../base/units.ts'
import type { NatPlan, NatRule } from './nat.ts'
import type { LoopPlan } from './service-loops.ts'

export const NFT_TABLE = 'godwit'
export const NAT_CHAIN = 'postrouting'
export const LOOP_CHAIN = 'forward'
/** Protocols of which flows that began before NAT are spared, each until its time is over. */
export const BEGUN_SET = 'begun'
/** So long they are, from the first switching on. */
export const BEGUN_TIME: Seconds = 7_200

/** By family: how nft calls it, and our sets. */
const NFT_FAMILY = {
  ipv4: {
    word: 'ip',
    pools: 'pools4',
    hosts: 'hosts4',
    services: 'services4',
    spared: 'spared4',
    returned: 'returned4',
  },
  ipv6: {
    word: 'ip6',
    pools: 'pools6',
    hosts: 'hosts6',
    services: 'services6',
    spared: 'spared6',
    returned: 'returned6',
  },
} as const

/** What people may want to see of a rule. */
interface NftRule {
  /** Undefined: it ends service loops. */
  readonly pool: string | undefined
  readonly family: Family
  readonly match: string
  readonly verdict: string
}

/** A rule as the kernel has it. */
interface Written {
  readonly chain: string
  /** Match, counter and verdict. */
  readonly text: string
  /** What it is, for `comment`, which the digest of all rules stands behind. */
  readonly name: string
  /** Undefined: of no interest to people. */
  readonly shown: NftRule | undefined
}

export interface NftWanted {
  readonly nat: NatPlan
  readonly loops: LoopPlan
  /** The chain for NAT is in the kernel, and stays. */
  readonly keepsNat: boolean
}

export interface NftScript {
  /** What stands in the table, with what is left of the time for which flows from before NAT are spared. */
  body(begun: Seconds): string
  /** Type, hook, priority and policy by the name of the chain, in order: without one there is no table. */
  readonly chains: ReadonlyMap<string, string>
  /** By comment, in the order in which they are listed. */
  readonly rules: ReadonlyMap<string, NftRule | undefined>
  /** Elements by the name of the set. */
  readonly sets: ReadonlyMap<string, readonly string[]>
}

/** Longest comment that nft takes. */
const COMMENT_LIMIT = 120

const CHAINS = {
  [LOOP_CHAIN]: { type: 'filter', priority: 10, base: 'filter', offset: 10 },
  [NAT_CHAIN]: { type: 'nat', priority: 110, base: 'srcnat', offset: 10 },
} as const
type ChainName = keyof typeof CHAINS

export function renderNft(wanted: NftWanted): NftScript {
  const { nat, loops } = wanted
  const names: ChainName[] = []
  if (loops.verdict !== undefined) names.push(LOOP_CHAIN)
  if (nat.rules.length > 0 || wanted.keepsNat) names.push(NAT_CHAIN)
  const sets = new Map(names.flatMap((name) => (name === NAT_CHAIN ? natSets(nat) : loopSets(loops))))
  const written = names.flatMap((name) => (name === NAT_CHAIN ? natRules(nat) : loopRules(loops)))
  const mark = digest(written.map(({ chain, text, name }) => `${chain} ${text} ${name}`).join('\n'))
  const comments = written.map(({ name }, index) => commentOf(name, `${mark}.${index}`))
  return {
    body: (begun) => renderBody(names, sets, written, comments, begun),
    chains: new Map(names.map((name) => [name, chainText(name)])),
    rules: new Map(written.map(({ shown }, index) => [comments[index] ?? '', shown])),
    sets,
  }
}

const chainText = (name: ChainName): string => `${CHAINS[name].type} ${name} ${CHAINS[name].priority} accept`

// ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Connection tracking takes a segment in the middle of a connection for the first packet of a flow. */
const BEGUN = `meta l4proto @${BEGUN_SET}`
const BEGUN_RULES: readonly Written[] = [
  hidden('flows begun before NAT, TCP', `tcp flags & (fin | syn | rst | ack) != syn ${BEGUN} counter accept`),
  // The type of the first chunk: an INIT travels alone (RFC 9260 §6.10).
  hidden('flows begun before NAT, SCTP', `meta l4proto sctp @th,96,8 != 1 ${BEGUN} counter accept`),
]

function natRules(plan: NatPlan): Written[] {
  const pools = plan.rules.flatMap((rule) => poolRules(rule, plan))
  return [...BEGUN_RULES, ...pools, hidden('connection tracking', 'ct state established accept')]
}

function hidden(name: string, text: string): Written {
  return { chain: NAT_CHAIN, text, name, shown: undefined }
}

/** A port range is possible only where the packet has ports: one rule for those, one for the rest. */
function poolRules(rule: NatRule, plan: NatPlan): Written[] {
  const { family } = rule.prefix
  const { word, pools, hosts } = NFT_FAMILY[family]
  const match = [`${word} saddr ${rule.prefix.text}`, `${word} daddr != @${pools}`]
  if (rule.within.length > 0) match.push(`${word} saddr != { ${rule.within.map(elementOf).join(', ')} }`)
  if (plan.hosts[family].length > 0) match.push(`${word} daddr != @${hosts}`)
  const exclude = rule.exclude.filter((prefix) => prefix.family === family)
  if (exclude.length > 0) match.push(`${word} daddr != { ${exclude.map(elementOf).join(', ')} }`)
  const plain = poolRule(rule, match.join(' '), undefined)
  if (rule.ports === undefined) return [plain]
  const ports = `${rule.ports.first}-${rule.ports.last}`
  return [poolRule(rule, `${match.join(' ')} meta l4proto { tcp, udp }`, ports), plain]
}

function poolRule(rule: NatRule, match: string, ports: string | undefined): Written {
  const { family } = rule.prefix
  const verdict = natVerdict(rule, family, ports)
  const name = `IPPool/${rule.pool.replace(/[^\w.-]/g, '?')}${ports === undefined ? '' : ' with ports'}`
  const shown = { pool: rule.pool, family, match, verdict }
  return { chain: NAT_CHAIN, text: `${match} counter ${verdict}`, name, shown }
}

function natVerdict({ address, fullyRandom }: NatRule, family: Family, ports: string | undefined): string {
  const random = fullyRandom ? ' fully-random' : ''
  const behind = ports === undefined ? '' : `:${ports}`
  if (address === undefined) return `masquerade${ports === undefined ? '' : ` to ${behind}`}${random}`
  const host = family === 'ipv6' && ports !== undefined ? `[${address}]` : address
  return `snat ${NFT_FAMILY[family].word} to ${host}${behind}${random}`
}

function loopRules({ verdict, returned }: LoopPlan): Written[] {
  if (verdict === undefined) return []
  const ends = (family: Family, match: string, name: string): Written => {
    const shown = { pool: undefined, family, match, verdict }
    return { chain: LOOP_CHAIN, text: `${match} counter ${verdict}`, name: `${name} ${family}`, shown }
  }
  return FAMILIES.flatMap((family) => {
    const { word, services, spared, returned: set } = NFT_FAMILY[family]
    const loops = ends(family, `${word} daddr @${services} ${word} daddr != @${spared}`, 'service loops')
    const back = returned[family]
    const links = back?.links.filter((name) => PLAIN_NAME.test(name)) ?? []
    if (back === undefined || links.length === 0) return [loops]
    const match = `${word} daddr @${set} iifname { ${links.map((name) => `"${name}"`).join(', ')} }`
    return [loops, ends(family, match, 'returned')]
  })
}

/** The kernel takes others too, such as those with quotes in them. */
const PLAIN_NAME = /^[\w.:@+-]+$/

/** Names may be of any length, and two of them alike so far: what stands behind is what counts. */
const commentOf = (name: string, mark: string): string =>
  name.slice(0, COMMENT_LIMIT - mark.length - 1).concat(' ', mark)

/** FNV-1a: to know our own rules again, not to keep anybody out. */
function digest(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

// ── Sets ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type NamedSet = readonly [string, readonly string[]]

const natSets = ({ pools, hosts }: NatPlan): NamedSet[] =>
  FAMILIES.flatMap((family) => [
    [NFT_FAMILY[family].pools, pools[family].map(elementOf)],
    [NFT_FAMILY[family].hosts, hosts[family].map(elementOf)],
  ])

const loopSets = ({ services, spared, returned }: LoopPlan): NamedSet[] =>
  FAMILIES.flatMap((family) => {
    const names = NFT_FAMILY[family]
    const sets: NamedSet[] = [
      [names.services, services[family].map(elementOf)],
      [names.spared, spared[family].map(elementOf)],
    ]
    const back = returned[family]
    return back === undefined ? sets : [...sets, [names.returned, back.addresses.map(elementOf)]]
  })

/** nft shows a single address without a length. */
const elementOf = ({ text, length, bytes }: Prefix): string =>
  length === bytes.length * 8 ? text.slice(0, text.indexOf('/')) : text

// ── Text ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One transaction: the table as a whole, or what is in its sets. */
export type NftChange =
  /** Undefined: there shall be none. */
  { readonly kind: 'table'; readonly body: string | undefined } | { readonly kind: 'sets'; readonly script: string }

/**
 * `held`: the table belongs to the process that makes it, and stays when that ends. `destroy` came before these flags, and
 * asks for no table that is there.
 */
export function renderChange(change: NftChange, held: boolean, name = NFT_TABLE): string {
  if (change.kind === 'sets') return change.script
  const removal = held ? [`destroy table inet ${name}`] : [`table inet ${name}`, `delete table inet ${name}`]
  if (change.body === undefined) return [...removal, ''].join('\n')
  const flags = held ? [`  ${HELD}`] : []
  return [...removal, `table inet ${name} {`, ...flags, `${change.body}}`, ''].join('\n')
}

const HELD = 'flags owner, persist'

/** A table that was made so, and whose process has ended, belongs to who says this. */
export const ADOPT_TABLE = `table inet ${NFT_TABLE} {\n  ${HELD}\n}\n`

/** For a dry run: whether nft and the kernel know such tables. */
export const TRY_HOLDING = renderChange({ kind: 'table', body: '' }, true, `${NFT_TABLE}_try`)

function renderBody(
  chains: readonly ChainName[],
  sets: ReadonlyMap<string, readonly string[]>,
  rules: readonly Written[],
  comments: readonly string[],
  begun: Seconds,
): string {
  const lines: string[] = []
  for (const [name, elements] of sets) {
    const { word } = name.endsWith('6') ? NFT_FAMILY.ipv6 : NFT_FAMILY.ipv4
    lines.push(...setLines(name, `typeof ${word} daddr; flags interval`, elements))
  }
  if (chains.includes(NAT_CHAIN)) {
    lines.push(...setLines(BEGUN_SET, 'typeof meta l4proto; flags timeout', begunFor(begun)))
  }
  for (const name of chains) {
    const { type, base, offset } = CHAINS[name]
    lines.push(`  chain ${name} {`, `    type ${type} hook ${name} priority ${base} + ${offset}; policy accept;`)
    for (const [index, { chain, text }] of rules.entries())
      if (chain === name) lines.push(`    ${text} comment "${comments[index]}"`)
    lines.push('  }')
  }
  return [...lines, ''].join('\n')
}

/** `typeof`: a set whose `type` was told by nft 1.1 makes every listing by nft 1.0.6 (Debian 12) crash. */
function setLines(name: string, kind: string, elements: readonly string[]): string[] {
  const within = elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]
  return [`  set ${name} {`, `    ${kind}`, ...within, '  }']
}

const begunFor = (left: Seconds): string[] =>
  left < 1 ? [] : ['tcp', 'sctp'].map((name) => `${name} timeout ${BEGUN_TIME}s expires ${Math.floor(left)}s`)

/** From what the sets hold to what they should, the rules staying as they are. */
export function renderSetChanges(wanted: NftScript['sets'], present: NftScript['sets']): string {
  const lines: string[] = []
  for (const [action, from, to] of [
    ['delete', wanted, present],
    ['add', present, wanted],
  ] as const) {
    for (const [name, elements] of to) {
      const others = new Set(from.get(name))
      const changed = elements.filter((element) => !others.has(element))
      if (changed.length > 0) lines.push(`${action} element inet ${NFT_TABLE} ${name} { ${changed.join(', ')} }`)
    }
  }
  return [...lines, ''].join('\n')
}
