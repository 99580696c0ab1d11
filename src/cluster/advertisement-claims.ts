/**
 * Routes that exist only because a BGPAdvertisement asks for them: prefixes, and addresses of the node and of its interfaces.
 */
import { FAMILIES } from '../base/family.ts'
import { hostPrefix, type Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { NodeAdvertisement } from './advertisements.ts'
import type { Problem } from './intent.ts'
import type { ClusterNode } from './node.ts'
import type { RouteChoice } from './objects.ts'
import { makeProblem } from './problem.ts'
import type { Claim } from './route-book.ts'

/** Approximate cost of looking at one prefix, in microseconds. */
const PREFIX_COST = 0.2

/** The addresses of an interface of this node, as /32 and /128. */
export interface InterfaceAddresses {
  readonly prefixes: readonly Prefix[]
  readonly leftOut: readonly LeftOutAddress[]
  /** Why there are none, as in `interface eth1: …`; undefined: there are some. */
  readonly why: string | undefined
  /** The missing addresses are reported as a problem. */
  readonly isProblem: boolean
}

/** An address of an interface that is not advertised, and why. */
export interface LeftOutAddress {
  readonly prefix: Prefix
  readonly why: string
}

const UNKNOWN: InterfaceAddresses = {
  prefixes: [],
  leftOut: [],
  why: 'its addresses are known on the node alone',
  isProblem: false,
}

/** Interfaces whose addresses are advertised. */
export function interfacesOf(all: readonly NodeAdvertisement[]): string[] {
  const names = all.flatMap(({ object }) => object.routes.flatMap((choice) => interfacesIn(choice)))
  return [...new Set(names)].sort()
}

const interfacesIn = (choice: RouteChoice): readonly string[] => (choice.kind === 'interfaces' ? choice.names : [])

/** A problem for each interface without an address to advertise. */
export function interfaceProblems(
  all: readonly NodeAdvertisement[],
  addresses: ReadonlyMap<string, InterfaceAddresses>,
): Problem[] {
  return all.flatMap(({ object: { name, routes } }) =>
    routes.flatMap((choice, at) =>
      interfacesIn(choice).flatMap((value, index): Problem[] => {
        const { why = '', isProblem } = addresses.get(value) ?? UNKNOWN
        const place = { object: `BGPAdvertisement/${name}`, field: `spec.routes[${at}].interfaces[${index}]`, value }
        const says = `adds no address: ${why}`
        return isProblem ? [makeProblem({ code: 'interface-without-address', ...place, says, level: 'warning' })] : []
      }),
    ),
  )
}

/** `why`: why interfaces that it names have no addresses. */
export function* ownClaims(
  { object }: NodeAdvertisement,
  me: ClusterNode,
  interfaces: ReadonlyMap<string, InterfaceAddresses>,
): Work<{ readonly claims: Claim[]; readonly why: string | undefined }> {
  const named = [object.name]
  // What is asked for by itself does not depend on an interface that has it too.
  const claims = new Map<string, Claim>()
  const meter = new CostMeter()
  function* add(prefixes: readonly Prefix[], origin: Claim['origin']): Work {
    for (const prefix of prefixes) {
      if (!claims.has(prefix.text)) claims.set(prefix.text, { prefix, origin, refused: undefined, named })
      meter.add(PREFIX_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  for (const choice of object.routes) {
    if (choice.kind === 'prefixes') yield* add(choice.prefixes, 'advertisement')
    if (choice.kind === 'nodeAddresses')
      yield* add(
        FAMILIES.flatMap((family) => hostPrefix(me.addresses[family] ?? '') ?? []),
        'advertisement',
      )
  }
  const names = object.routes.flatMap((choice) => interfacesIn(choice))
  const whys: string[] = []
  const asked = new Map(names.map((name) => [name, interfaces.get(name) ?? UNKNOWN]))
  for (const [name, { prefixes, why }] of asked) {
    yield* add(prefixes, 'interface')
    if (why !== undefined) whys.push(`interface ${name}: ${why}`)
  }
  const refused: Claim[] = []
  for (const { leftOut } of asked.values()) {
    for (const { prefix, why } of leftOut) {
      if (!claims.has(prefix.text)) refused.push({ prefix, origin: 'interface', refused: why, named })
      meter.add(PREFIX_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  yield meter.take()
  return { claims: [...claims.values(), ...refused], why: whys.length === 0 ? undefined : whys.join('; ') }
}
