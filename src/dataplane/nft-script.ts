/**
 * Renders NAT of outgoing traffic and the prevention of service loops as an nftables script. It has one table of our own,
 * `inet godwit`. The table is replaced as a whole in one transaction; if its rules are right, only the elements of its sets
 * are changed, so that counters are kept.
 *
 * The chain `postrouting` runs after kube-proxy's (priority 110, kube-proxy has 100): the first chain that translates a flow
 * decides, so packets that kube-proxy masquerades are not changed. Once the chain exists it stays even without rules of
 * pools: flows that were translated need the kernel's NAT hooks and connection tracking, which the kernel stops with their
 * last user. The chain keeps the NAT hooks; its last rule, which has no effect, keeps connection tracking.
 *
 * The chain `forward` runs after the filters of kube-proxy and others (priority 10, theirs 0). It does not use connection
 * tracking, so that it does not enable it on nodes where an eBPF replacement of kube-proxy does without.
 *
 * Conntrack entries are not changed: a flow keeps the decision of its first packet.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Seconds } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { NatPlan, NatRule } from './nat.ts'
import { type LoopPlan, MOST_WAYS } from './service-loops.ts'

export const NFT_TABLE = 'godwit'
export const NAT_CHAIN = 'postrouting'
export const LOOP_CHAIN = 'forward'
/** The set of protocols whose flows from before NAT are not translated; each element expires. */
export const BEGUN_SET = 'begun'
/** How long, from the first time that NAT is enabled. */
export const BEGUN_TIME: Seconds = 7_200

/** By family: nft's keyword and the names of our sets. */
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

/** A rule as `show nat` lists it. */
interface NftRule {
  /** The IPPool; undefined: the rule prevents service loops. */
  readonly pool: string | undefined
  readonly family: Family
  readonly match: string
  readonly verdict: string
}

/** A rule to be written. */
interface Written {
  readonly chain: string
  /** Match, counter and verdict. */
  readonly text: string
  /** Its name, for `comment`, which also has the digest of all rules. */
  readonly name: string
  /** Undefined: `show nat` does not list it. */
  readonly shown: NftRule | undefined
}

export interface NftWanted {
  readonly nat: NatPlan
  readonly loops: LoopPlan
  /** The NAT chain is in the kernel already, and must stay. */
  readonly keepsNat: boolean
}

export interface NftScript {
  /** Renders the content of the table. `begun`: for how long flows from before NAT are still not translated. */
  body(begun: Seconds): Work<string>
  /** Type, hook, priority and policy by name of the chain, sorted. If empty, there is no table. */
  readonly chains: ReadonlyMap<string, string>
  /** By comment, in the order of the listing. */
  readonly rules: ReadonlyMap<string, NftRule | undefined>
  /** Elements by the name of the set: disjoint. */
  readonly sets: ReadonlyMap<string, readonly Prefix[]>
}

/** The longest comment that nft accepts. */
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

/** Matches flows from before NAT: connection tracking treats a segment in mid-connection as the first packet of a flow. */
const BEGUN = `meta l4proto @${BEGUN_SET}`
const BEGUN_RULES: readonly Written[] = [
  hidden('flows begun before NAT, TCP', `tcp flags & (fin | syn | rst | ack) != syn ${BEGUN} counter accept`),
  // The type of the first chunk: an INIT is always the only chunk (RFC 9260 §6.10).
  hidden('flows begun before NAT, SCTP', `meta l4proto sctp @th,96,8 != 1 ${BEGUN} counter accept`),
]

function natRules(plan: NatPlan): Written[] {
  const pools = plan.rules.flatMap((rule) => poolRules(rule, plan))
  return [...BEGUN_RULES, ...pools, hidden('connection tracking', 'ct state established accept')]
}

function hidden(name: string, text: string): Written {
  return { chain: NAT_CHAIN, text, name, shown: undefined }
}

/** A port range needs a protocol with ports: one rule for TCP and UDP, one for all others. */
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
    const back = returned[family].flatMap(({ links }, at) => {
      const plain = links.filter((name) => PLAIN_NAME.test(name)).map((name) => `"${name}"`)
      if (plain.length === 0) return []
      return ends(family, `${word} daddr @${numbered(set, at)} iifname { ${plain.join(', ')} }`, 'returned')
    })
    return [loops, ...back]
  })
}

/** The name of a set for each of several ways. */
const numbered = (set: string, at: number): string => (at === 0 ? set : `${set}_${at + 1}`)

/**
 * Interface names that a script can have in quotes as they are: in quotes nft knows no escapes, and takes `*` at the end for a
 * wildcard. Links with other names are left out of the rules.
 */
const PLAIN_NAME = /^[\w.:@+-]+$/

/** Cuts the name, which may be of any length. The mark after it is never cut: it identifies the rule. */
const commentOf = (name: string, mark: string): string =>
  name.slice(0, COMMENT_LIMIT - mark.length - 1).concat(' ', mark)

/** FNV-1a. It identifies our own rules; it is no protection against forgery. */
function digest(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

// ── Sets ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type NamedSet = readonly [string, readonly Prefix[]]

const natSets = ({ pools, hosts }: NatPlan): NamedSet[] =>
  FAMILIES.flatMap((family) => [
    [NFT_FAMILY[family].pools, pools[family]],
    [NFT_FAMILY[family].hosts, hosts[family]],
  ])

const loopSets = ({ services, spared, returned }: LoopPlan): NamedSet[] =>
  FAMILIES.flatMap((family) => {
    const names = NFT_FAMILY[family]
    const sets: NamedSet[] = [
      [names.services, services[family]],
      [names.spared, spared[family]],
    ]
    const back = returned[family].map(({ addresses }, at): NamedSet => [numbered(names.returned, at), addresses])
    return [...sets, ...back]
  })

/** Our sets of prefixes by name: the family of their elements. */
export const SET_FAMILIES: ReadonlyMap<string, Family> = new Map(
  FAMILIES.flatMap((family) => {
    const { pools, hosts, services, spared, returned } = NFT_FAMILY[family]
    const ways = Array.from({ length: MOST_WAYS }, (_, at) => numbered(returned, at))
    return [pools, hosts, services, spared, ...ways].map((name) => [name, family] as const)
  }),
)

/** nft shows a single address without a length. */
export const elementOf = ({ text, length, bytes }: Prefix): string =>
  length === bytes.length * 8 ? text.slice(0, text.indexOf('/')) : text

// ── Text ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One transaction: the whole table, or the elements of its sets. */
export type NftChange =
  /** `body` undefined: the table is removed. */
  | { readonly kind: 'table'; readonly body: string | undefined }
  | { readonly kind: 'sets'; readonly changes: readonly SetChange[] }

/** What a set gains and loses; no list is empty without the other being filled. */
export interface SetChange {
  readonly set: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/**
 * `isOwned`: only the process that makes the table can change it, and the table stays when the process ends. Every nft that
 * supports this also supports `destroy`, which does not fail if there is no table.
 */
export function renderChange(change: NftChange, isOwned: boolean, name = NFT_TABLE): string {
  if (change.kind === 'sets') return renderSetChanges(change.changes)
  const removal = isOwned ? [`destroy table inet ${name}`] : [`table inet ${name}`, `delete table inet ${name}`]
  if (change.body === undefined) return [...removal, ''].join('\n')
  const flags = isOwned ? [`  ${OWNED_FLAGS}`] : []
  return [...removal, `table inet ${name} {`, ...flags, `${change.body}}`, ''].join('\n')
}

const OWNED_FLAGS = 'flags owner, persist'

/** Takes over an owned table whose process has ended. */
export const ADOPT_TABLE = `table inet ${NFT_TABLE} {\n  ${OWNED_FLAGS}\n}\n`

/** For a dry run: it succeeds if nft and the kernel support such tables. */
export const TRY_OWNED_TABLE = renderChange({ kind: 'table', body: '' }, true, `${NFT_TABLE}_try`)

/** About what it costs to render one element, in microseconds. */
const ELEMENT_COST = 0.2

function* renderBody(
  chains: readonly ChainName[],
  sets: NftScript['sets'],
  rules: readonly Written[],
  comments: readonly string[],
  begun: Seconds,
): Work<string> {
  const lines: string[] = []
  for (const [name, elements] of sets) {
    const { word } = NFT_FAMILY[SET_FAMILIES.get(name) ?? 'ipv4']
    lines.push(...setLines(name, `typeof ${word} daddr; flags interval`, yield* textsOf(elements)))
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

function* textsOf(elements: readonly Prefix[]): Work<string[]> {
  const texts: string[] = []
  const meter = new CostMeter()
  for (const element of elements) {
    texts.push(elementOf(element))
    meter.add(ELEMENT_COST)
    if (meter.isDue) yield meter.take()
  }
  return texts
}

/** Uses `typeof`: nft 1.0.6 (Debian 12) crashes when it lists a set that nft 1.1 declared by `type`. */
function setLines(name: string, kind: string, elements: readonly string[]): string[] {
  const within = elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]
  return [`  set ${name} {`, `    ${kind}`, ...within, '  }']
}

const begunFor = (left: Seconds): string[] =>
  left < 1 ? [] : ['tcp', 'sctp'].map((name) => `${name} timeout ${BEGUN_TIME}s expires ${Math.floor(left)}s`)

/** What is removed comes first: nft refuses elements that overlap, and each may lie inside one that goes. */
function renderSetChanges(changes: readonly SetChange[]): string {
  const line = (action: string, name: string, elements: readonly string[]) =>
    elements.length === 0 ? [] : [`${action} element inet ${NFT_TABLE} ${name} { ${elements.join(', ')} }`]
  return [
    ...changes.flatMap(({ set, remove }) => line('delete', set, remove)),
    ...changes.flatMap(({ set, add }) => line('add', set, add)),
    '',
  ].join('\n')
}
