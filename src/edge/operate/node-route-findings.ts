/** What `godwit doctor` says of routes to pods of other nodes (`nodeRoutes: Direct`), from what the agent knows of them. */
import { counted } from '../../base/counted.ts'
import type { NodeRouteGap, NodeRouteGaps } from '../../show/view.ts'
import type { Finding } from './doctor-checks.ts'

const WHAT = 'node routes'

export function nodeRouteFindings({ first, count, foreign, podless }: NodeRouteGaps): Finding[] {
  const found = first.map(gapFinding)
  const moreForeign = foreign - first.filter(({ isForeign }) => isForeign).length
  const more = count - first.length - moreForeign
  if (more > 0) found.push(moreFinding('bad', more))
  if (moreForeign > 0) found.push(moreFinding('warn', moreForeign))
  if (count === 0) found.push(FINE)
  return podless.count === 0 ? found : [...found, podlessFinding(podless)]
}

/** Without a route of ours, packets to these pods take that of another program, or the default route. */
function gapFinding(gap: NodeRouteGap): Finding {
  const says = `${gap.prefix} of Node/${gap.node} has no route of the agent: ${gap.reason}`
  return { level: gap.isForeign ? 'warn' : 'bad', what: WHAT, says, todo: cureOf(gap) }
}

function cureOf({ prefix, isForeign, isFelixs }: NodeRouteGap): string {
  if (isFelixs) return 'see why Felix does not write it, or set programClusterRoutes to EnabledNoEncapOnly'
  if (isForeign) return `remove the route that \`ip route show ${prefix}\` prints, or stop the program that writes it`
  return 'give this node an address on a link of that node, or a neighbor that advertises the prefix: the mesh, a reflector or a router'
}

const moreFinding = (level: 'bad' | 'warn', count: number): Finding => ({
  level,
  what: WHAT,
  says: `${counted(count, 'more pod CIDR has', 'more pod CIDRs have')} no route of the agent${level === 'warn' ? ', but one of another program' : ''}`,
  todo: '`godwit show explain PREFIX` says why for one of them',
})

/** `podless`: other nodes without a pod CIDR, which a new node waits for. That is no fault of this machine. */
function podlessFinding({ first, count }: NodeRouteGaps['podless']): Finding {
  const names = first.map((name) => `Node/${name}`).join(', ')
  const more = count > first.length ? ` and ${count - first.length} more` : ''
  return {
    level: 'warn',
    what: WHAT,
    says: `${names}${more} ${count === 1 ? 'has' : 'have'} no pod CIDR: there is no route to pods there`,
    todo: 'wait if the node is new; if not, see what assigns pod CIDRs, such as --allocate-node-cidrs of the controller manager',
  }
}

const FINE: Finding = {
  level: 'ok',
  what: WHAT,
  says: 'the kernel has a route to each pod CIDR of other nodes for which there is a next hop',
  todo: undefined,
}
