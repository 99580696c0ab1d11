// Additions to BGP, each in the words of the speakers that have it, or why one has it not.

import type { Speaker, Words } from './speaker.ts'

interface Since extends Words {
  /** The first version that has it. */
  readonly since?: string
}

/** A text says why there is no such thing. */
type Feature = Record<Speaker['kind'], Since | string>

const rrClient = ['[neighbors.route-reflector.config]', '  route-reflector-client = true']

const NO_ROLES = 'no roles in it'
const NO_AO = 'no TCP-AO in it'

/** A key of TCP-MD5; searched for in all that an agent says. */
export const KEY = 'swordfish-7'

/** A second key of TCP-AO. */
export const SECOND_KEY = 'sardine-8'

export const FEATURES = {
  /** RFC 7911, both ways. FRR receives without being asked to. */
  addPath: {
    frr: { family: ['addpath-tx-all-paths'] },
    bird: { family: ['add paths on;'] },
    gobgp: { family: ['[neighbors.afi-safis.add-paths.config]', '  receive = true', '  send-max = 8'] },
    openbgpd: { session: ['announce add-path recv yes', 'announce add-path send all'] },
  },
  /** RFC 8950. GoBGP announces it without being asked to. */
  extendedNextHop: {
    frr: { session: ['capability extended-nexthop'] },
    bird: { family: ['extended next hop on;'] },
    gobgp: {},
    openbgpd: { since: '8.8', session: ['announce extended nexthop yes'] },
  },
  /** RFC 4456: the neighbor is a client. */
  client: {
    frr: { family: ['route-reflector-client'] },
    bird: { session: ['rr client;'] },
    gobgp: { session: [...rrClient, '  route-reflector-cluster-id = "10.77.0.1"'] },
    openbgpd: { session: ['route-reflector'] },
  },
  /** RFC 9234: the router is the provider. */
  provider: {
    frr: { session: ['local-role provider'] },
    bird: { session: ['local role provider;'] },
    gobgp: NO_ROLES,
    openbgpd: { session: ['role provider', 'announce policy yes'] },
  },
  /** RFC 9234: the router is a customer. */
  customer: {
    frr: { session: ['local-role customer'] },
    bird: { session: ['local role customer;'] },
    gobgp: NO_ROLES,
    openbgpd: { session: ['role customer', 'announce policy yes'] },
  },
  /** RFC 8654. FRR offers it without being asked to. */
  extendedMessages: {
    frr: {},
    bird: { session: ['enable extended messages on;'] },
    gobgp: 'its messages end at 4,096 octets',
    openbgpd: { since: '8.8', session: ['announce extended message yes'] },
  },
  /** RFC 6793, section 4.2: a neighbor that has never heard of longer AS numbers. FRR then leaves out every capability. */
  twoOctetAs: {
    frr: { session: ['dont-capability-negotiate'] },
    bird: { session: ['enable as4 off;'] },
    gobgp: 'its four-octet AS numbers cannot be switched off',
    openbgpd: { session: ['announce as-4byte no'] },
  },
  /** Its host name goes into OPEN: a long one makes that longer than 255 octets of parameters (RFC 9072). */
  hostName: {
    frr: 'it sends no host name of more than 64 octets',
    bird: { session: ['advertise hostname on;'] },
    gobgp: 'it sends only the host name of the machine',
    openbgpd: 'it has no capability with a host name',
  },
  /** RFC 2918: it asks when told to. */
  asksForRefresh: {
    frr: {},
    bird: {},
    gobgp: 'it keeps every received route, and never requests a refresh',
    openbgpd: {},
  },
  /** RFC 2385. The key is `KEY`. */
  password: {
    frr: { session: [`password ${KEY}`] },
    bird: { session: [`password "${KEY}";`] },
    gobgp: { neighbor: [`auth-password = "${KEY}"`] },
    openbgpd: { session: [`tcp md5sig password ${KEY}`] },
  },
  /** RFC 5925, two keys. */
  keyChain: {
    frr: NO_AO,
    bird: {
      since: '3.1',
      session: [
        'authentication ao;',
        'keys {',
        `  key { id 1; secret "${KEY}"; algorithm hmac sha1; preferred; };`,
        `  key { id 2; secret "${SECOND_KEY}"; algorithm cmac aes128; };`,
        '};',
      ],
    },
    gobgp: NO_AO,
    openbgpd: NO_AO,
  },
  /** RFC 5082, one hop. */
  ttlSecurity: {
    frr: { session: ['ttl-security hops 1'] },
    bird: { session: ['ttl security on;'] },
    gobgp: { session: ['[neighbors.ttl-security.config]', '  enabled = true', '  ttl-min = 255'] },
    openbgpd: { session: ['ttl-security yes'] },
  },
  /** A path with the neighbor's AS in it is sent all the same. */
  neighborInPath: {
    frr: {},
    bird: {},
    gobgp: 'it does not send a route to an AS in its path',
    openbgpd: 'it cannot prepend an AS other than its own',
  },
} as const satisfies Record<string, Feature>

export const featureOf = ({ kind }: Speaker, name: keyof typeof FEATURES): Words => {
  const feature: Since | string = FEATURES[name][kind]
  return typeof feature === 'string' ? {} : feature
}

const older = (version: string, than: string): boolean => version.localeCompare(than, 'en', { numeric: true }) < 0

/** For `lacking` of a case about this feature. */
export const lacks =
  (name: keyof typeof FEATURES) =>
  ({ kind }: Speaker, version: string): string | undefined => {
    const feature: Since | string = FEATURES[name][kind]
    if (typeof feature === 'string') return feature
    const { since } = feature
    return since !== undefined && older(version, since) ? `not yet in ${version}` : undefined
  }
