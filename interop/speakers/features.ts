// Additions to BGP, each in the words of the speakers that have it.

import type { Speaker, Words } from './speaker.ts'

type Feature = Partial<Record<Speaker['kind'], Words>>

const rrClient = ['[neighbors.route-reflector.config]', '  route-reflector-client = true']

export const FEATURES = {
  /** RFC 7911, both ways. FRR receives without being asked to. */
  addPath: {
    frr: { family: ['addpath-tx-all-paths'] },
    bird: { family: ['add paths on;'] },
    gobgp: { family: ['[neighbors.afi-safis.add-paths.config]', '  receive = true', '  send-max = 8'] },
  },
  /** RFC 8950. */
  extendedNextHop: {
    frr: { session: ['capability extended-nexthop'] },
    bird: { family: ['extended next hop on;'] },
  },
  /** RFC 4456: the neighbor is a client. */
  client: {
    frr: { family: ['route-reflector-client'] },
    bird: { session: ['rr client;'] },
    gobgp: { session: [...rrClient, '  route-reflector-cluster-id = "10.77.0.1"'] },
  },
  /** RFC 9234: the router is the provider. */
  provider: {
    frr: { session: ['local-role provider'] },
    bird: { session: ['local role provider;'] },
  },
  /** RFC 9234: the router is a customer. */
  customer: {
    frr: { session: ['local-role customer'] },
    bird: { session: ['local role customer;'] },
  },
  /** RFC 8654. FRR offers it without being asked to. */
  extendedMessages: {
    frr: {},
    bird: { session: ['enable extended messages on;'] },
  },
  /** Its host name goes into OPEN: a long one makes that longer than 255 octets of parameters (RFC 9072). */
  hostName: {
    bird: { session: ['advertise hostname on;'] },
  },
} satisfies Record<string, Feature>

export const featureOf = ({ kind }: Speaker, name: keyof typeof FEATURES): Words => {
  const feature: Feature = FEATURES[name]
  return feature[kind] ?? {}
}

/** For a case that only speakers with this feature play in. */
export const having =
  (name: keyof typeof FEATURES) =>
  ({ kind }: Speaker): boolean =>
    kind in FEATURES[name]
