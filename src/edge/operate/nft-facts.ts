/** What `godwit doctor` asks of nft: whether it works here, and which chains drop forwarded packets. */
import { LOOP_CHAIN, NFT_TABLE, TRY_OWNED_TABLE } from '../../dataplane/nft-script.ts'
import { parseNftListing } from '../../dataplane/nft-table.ts'
import { runTool, whyFailed } from '../kernel/tools.ts'
import type { DoctorFacts } from './doctor-checks.ts'

/** How many chains are read rule by rule: for a policy of drop the list of chains is enough. */
const MOST_CHAINS_READ = 16

export async function gatherNft(): Promise<
  Pick<DoctorFacts, 'nft' | 'nftError' | 'supportsOwnedTables' | 'serviceLoopPackets' | 'droppingChains'>
> {
  const [version, tables, ours, owned, chains] = await Promise.all([
    runTool(['nft', '-v']),
    runTool(['nft', 'list', 'tables']),
    runTool(['nft', '-j', 'list', 'table', 'inet', NFT_TABLE]),
    runTool(['nft', '-c', '-f', '-'], TRY_OWNED_TABLE),
    runTool(['nft', '-j', 'list', 'chains']),
  ])
  return {
    nft: version.code === 0 ? version.stdout.trim() : undefined,
    nftError: tables.code === 0 ? undefined : whyFailed(tables),
    supportsOwnedTables: owned.code === 0,
    serviceLoopPackets: ours.code === 0 ? countLoopPackets(ours.stdout) : undefined,
    droppingChains: chains.code === 0 ? await findDroppingChains(chains.stdout) : [],
  }
}

/** Undefined: there is no such chain. */
function countLoopPackets(listing: string): number | undefined {
  const table = parseNftListing(listing)
  if (!table?.chains.has(LOOP_CHAIN)) return undefined
  return table.rules.filter(({ chain }) => chain === LOOP_CHAIN).reduce((sum, { packets }) => sum + packets, 0)
}

interface ListedChain {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook?: string
  readonly policy?: string
}

interface Listing {
  readonly nftables: readonly {
    readonly chain?: ListedChain
    readonly rule?: { readonly expr?: readonly Readonly<Record<string, unknown>>[] }
  }[]
}

/** Chains of all tables, also those of iptables-nft, that drop every forwarded packet that no rule accepts. */
async function findDroppingChains(listing: string): Promise<string[]> {
  const { nftables } = JSON.parse(listing) as Listing
  const chains = nftables
    .flatMap(({ chain }) => (chain?.hook === 'forward' ? [chain] : []))
    .filter(({ table }) => table !== NFT_TABLE)
  const found = chains.filter(({ policy }) => policy === 'drop')
  for (const chain of chains.filter(({ policy }) => policy !== 'drop').slice(0, MOST_CHAINS_READ))
    if (await endsInDrop(chain)) found.push(chain)
  return found.map(({ family, table, name }) => `chain ${family} ${table} ${name}`)
}

async function endsInDrop({ family, table, name }: ListedChain): Promise<boolean> {
  const chain = await runTool(['nft', '-j', 'list', 'chain', family, table, name])
  return chain.code === 0 && dropsUnconditionally(chain.stdout)
}

/** Whether a chain has a rule without a condition that drops or rejects: firewalld and many scripts end with one. */
export function dropsUnconditionally(listing: string): boolean {
  const { nftables } = JSON.parse(listing) as Listing
  return nftables.some(({ rule }) => {
    const statements = (rule?.expr ?? []).map((expression) => statementOf(expression))
    return statements.some((one) => DROPS.has(one)) && statements.every((one) => DROPS.has(one) || HARMLESS.has(one))
  })
}

const DROPS: ReadonlySet<string> = new Set(['drop', 'reject', 'target REJECT'])
/** Statements that neither decide about a packet nor are conditions. */
const HARMLESS: ReadonlySet<string> = new Set(['counter', 'log', 'comment'])

/** The name of a statement; of one that iptables-nft wrote for an extension, its type and name. */
function statementOf(expression: Readonly<Record<string, unknown>>): string {
  const [word = ''] = Object.keys(expression)
  if (word !== 'xt') return word
  const { type, name } = expression.xt as { readonly type?: string; readonly name?: string }
  return `${type} ${name}`
}
