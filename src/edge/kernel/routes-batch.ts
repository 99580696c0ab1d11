/** Changes of routes as lines for `ip -batch -`, and what it says about them. */
import type { Failure, Hop, OwnRoute, RouteChange } from '../../dataplane/kernel.ts'
import { GODWIT_PROTOCOL, isForeignFamily } from '../../dataplane/kernel.ts'
import { type Outcome, whyFailed } from './tools.ts'

/**
 * `add` refuses where anybody has a route of that prefix and metric; `replace` is used only where ours stands there. A
 * removal names every hop: the kernel then takes exactly that route and no brother of it.
 */
export function renderChange({ action, route }: RouteChange, table: string): string {
  const verb = action === 'remove' ? 'del' : action
  return `route ${verb} ${renderRoute(route)} proto ${GODWIT_PROTOCOL} metric ${route.metric} table ${table}${renderHops(route)}`
}

const renderRoute = ({ type, prefix }: OwnRoute): string =>
  type === 'unicast' ? prefix.text : `${type} ${prefix.text}`

function renderHops({ prefix, hops }: OwnRoute): string {
  const render = (hop: Hop): string => {
    const { gateway, interface: name, onlink } = hop
    const family = gateway !== undefined && isForeignFamily(prefix, gateway) ? 'inet6 ' : ''
    return `${gateway === undefined ? '' : ` via ${family}${gateway}`} dev ${name}${onlink ? ' onlink' : ''}`
  }
  return hops.length === 1 ? hops.map(render).join('') : hops.map((hop) => ` nexthop${render(hop)}`).join('')
}

/**
 * What failed of the lines that were handed in. `-force` goes on behind a failure and names its line behind the reason;
 * a line that the tool cannot even read ends it, and then nothing is known of the lines behind.
 */
export function readFailures(outcome: Outcome, changes: readonly RouteChange[]): Failure[] {
  if (outcome.code === 0) return []
  const failures: Failure[] = []
  let reason = ''
  let named = false
  for (const line of outcome.stderr.split('\n')) {
    const [, number] = /^Command failed .*:(\d+)$/.exec(line) ?? []
    if (number === undefined) reason = line.trim() === '' ? reason : line.replace(/^(?:RTNETLINK answers|Error): /, '')
    else {
      named = true
      const index = Number(number) - 1
      if (!isGoneAlready(changes[index], reason)) failures.push({ index, reason })
      reason = ''
    }
  }
  if (outcome.code !== undefined && named && reason === '') return failures
  const why = whyFailed({ ...outcome, stderr: reason })
  return changes.map((_, index) => failures.find((failure) => failure.index === index) ?? { index, reason: why })
}

const isGoneAlready = (change: RouteChange | undefined, reason: string): boolean =>
  change?.action === 'remove' && reason === 'No such process'
