/** `show static`: this node's originated routes. */
import type { RouteIntent } from '../cluster/intent.ts'
import { isOriginatedKind, originatedKind } from './originated-kind.ts'
import { CODE, type Row } from './reply.ts'
import type { View } from './view.ts'
import { noProtocols } from './which.ts'

/** This node's originated routes; BIRD's protocol name is the kind of the route. */
export function* staticRows(protocol: string | undefined, view: View): Iterable<Row> {
  if (protocol !== undefined && !isOriginatedKind(protocol)) {
    yield noProtocols(protocol)
    return
  }
  for (const { prefix, origin, objects } of staticRoutes(protocol, view)) {
    yield { code: CODE.static, text: `${prefix.text}\t${originatedKind(origin)} ${objects.join(' ')}` }
  }
  yield { code: CODE.ok, text: '' }
}

export const staticRoutes = (protocol: string | undefined, view: View): readonly RouteIntent[] =>
  view.services().filter(({ origin }) => protocol === undefined || originatedKind(origin) === protocol)
