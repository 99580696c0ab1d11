/** What came to BGP-4 later, but for restarts and BFD. `clauses.test.ts` holds the rows. */
import { aside, type Clause, type Clauses, held } from './clause.ts'

const FAULTS = 'bgp/wire/update-faults'
const OPEN = 'bgp/wire/open'
const NEGOTIATE = 'bgp/session/negotiate'
const REFLECTION = 'bgp/rib/reflection'
const ROLES = 'bgp/rib/roles'
const REFRESH = 'engine/refresh'
const PROTECTION = 'edge/net/protection'
const DEFAULTS = 'bgp/policy/defaults'
const LEAVE = 'engine/leave'

/** A row of the table of faults, each of which is a test of `update-faults`. */
const fault = (at: string, must: string, title: string): Clause => ({
  at,
  must,
  held: { file: 'test/support/faults.ts', title },
})

export const EXTENSIONS: Clauses = {
  2385: [
    held('2.0', 'a segment is signed with the key of both ends', PROTECTION, 'one key on both sides'),
    held('2.0', 'with another digest it is dropped, and not answered', PROTECTION, 'with %s nobody gets in'),
    held('2.0', 'one end alone does not begin', PROTECTION, 'a neighbor that has a key does not get in'),
    held('4.5', 'keys of 80 octets are taken', 'edge/keys', '80 octets are one'),
  ],
  4456: [
    held('6', 'routes of a client go to all, but not back', REFLECTION, 'from a client: to all, but not back'),
    held('6', 'routes of a non-client go to clients', REFLECTION, 'from a non-client: to clients and outside'),
    held(
      '8',
      'ORIGINATOR_ID and our cluster come to it, nothing else changes',
      REFLECTION,
      'ORIGINATOR_ID and CLUSTER_LIST',
    ),
    held('8', 'an ORIGINATOR_ID that is there stays', REFLECTION, 'an ORIGINATOR_ID that is there stays'),
    held('8', 'our own cluster in the list: ignored', REFLECTION, 'our cluster ID'),
    held('8', 'our own router ID as originator: ignored', REFLECTION, 'our router ID'),
  ],
  4760: [
    held('3', 'NEXT_HOP is not for routes in MP_REACH_NLRI', FAULTS, 'whatever address it holds, it is not for those'),
    held('3', 'one prefix in old and new fields breaks nothing', 'bgp/rib/one-update', 'announced twice'),
    held('7', 'a fault in its attributes ends the session', FAULTS, 'an attribute of routes (RFC 4760 §7'),
    held('8', 'a family is used where both ends announce it', NEGOTIATE, 'the common one'),
    aside(
      '7',
      'routes of a family with a fault are dropped, and it is not used again',
      'RFC 7606 §7.11 took its place',
    ),
  ],
  5065: [
    aside('4.1', 'a Member-AS goes in front of the path', 'a node is in no confederation'),
    held('5', 'segments of a confederation from outside are a malformed AS_PATH', FAULTS, 'an AS_CONFED_SEQUENCE (RFC'),
    held('5', '… and are sent to no external neighbor', 'bgp/rib/transform', 'a leading confederation segment goes'),
    held('5.3', 'they do not count in the length of a path', 'bgp/wire/as-path', 'confederations count nothing'),
  ],
  5082: [
    held(
      '3',
      'what is sent has TTL 255; what comes from further away is dropped',
      PROTECTION,
      'TTL security (RFC 5082',
    ),
    held(
      '3',
      '… of this neighbor alone where others have no such check',
      PROTECTION,
      'where another neighbor may come',
    ),
  ],
  6286: [
    held(
      '2.1',
      'our identifier is refused inside our AS, and legal from outside',
      'engine/faults.long',
      'our own identifier',
    ),
    held(
      '2.3',
      'of equal identifiers the higher AS counts',
      'bgp/session/collision',
      'equal identifiers, the higher AS',
    ),
  ],
  6793: [
    held('4.1', 'the number in the capability counts', OPEN, 'the capability wins'),
    held('4.2.2', 'to an old speaker: two octets, AS_TRANS, AS4_PATH', 'bgp/wire/attribute', 'numbers that fit'),
    held('4.2.3', 'from an old speaker: both paths in one', 'bgp/wire/as-path', 'a leading rest'),
    held('4.2.3', '… AS4_PATH is ignored where it is longer', 'bgp/wire/as-path', 'AS4_PATH is longer'),
    held('6', 'a malformed AS4_PATH or AS4_AGGREGATOR is discarded', 'bgp/wire/update', '%s is discarded (§6)'),
  ],
  7313: [
    held('4', 'BoRR marks, EoRR removes', 'bgp/rib/refresh', 'what it did not announce again is gone at EoRR'),
    held('4', 'BoRR before End-of-RIB is ignored', REFRESH, 'its BoRR before its End-of-RIB is ignored'),
    held('4', '… and not sent', REFRESH, 'a request during our first feed is answered behind'),
    held('4', 'a refresh stands between BoRR and EoRR', REFRESH, 'reload out stands between BoRR and EoRR'),
    held('5', 'another length is 7/1 with the whole message', 'bgp/wire/route-refresh', 'subtype %i of another length'),
    held('5', 'an unknown subtype is ignored', 'bgp/wire/route-refresh', 'an unknown subtype is to be ignored'),
  ],
  7606: [
    held('3', 'lengths that do not fit end the session', FAULTS, '%s: 3/1 (RFC 7606 §3 b)'),
    held('3', 'wrong flags withdraw', FAULTS, 'an attribute of routes %s'),
    held('3', 'a missing attribute withdraws', FAULTS, 'ORIGIN'),
    held('3', 'of an attribute that comes twice the first counts', FAULTS, '%s twice: the first one counts'),
    held('3', '… unless it holds routes', FAULTS, '%s twice: 3/1'),
    held('3', 'the strongest action counts', FAULTS, 'the strongest action counts'),
    held('3', 'routes that cannot be found end the session', FAULTS, '%s past the end: its routes cannot be found'),
    held('4', 'the Total Path Attribute Length finds the NLRI', FAULTS, '%s at the end: the NLRI is found'),
    held(
      '5.1',
      'one kind of routes in an UPDATE, MP attributes first',
      'bgp/rib/one-update',
      'we write one of the four',
    ),
    held('5.2', 'a fault without a route ends the session', FAULTS, '%s without a route: 3/1'),
    held('5.3', 'a broken prefix ends the session', FAULTS, '%s in NLRI or Withdrawn Routes'),
    fault('7.1', 'a malformed ORIGIN withdraws', 'ORIGIN 3'),
    fault('7.2', 'a malformed AS_PATH withdraws', 'AS_PATH with segment type 5'),
    fault('7.3', 'a malformed NEXT_HOP withdraws', 'NEXT_HOP of 3 octets'),
    fault('7.4', 'a malformed MED withdraws', 'MED of 3 octets'),
    fault('7.5', 'a malformed LOCAL_PREF withdraws inside the AS', 'LOCAL_PREF of 3 octets'),
    fault('7.6', 'a malformed ATOMIC_AGGREGATE is discarded', 'ATOMIC_AGGREGATE of 1 octet'),
    fault('7.7', 'a malformed AGGREGATOR is discarded', 'AGGREGATOR of 6 octets'),
    fault('7.8', 'malformed COMMUNITIES withdraw', 'COMMUNITIES of 5 octets'),
    fault('7.9', 'a malformed ORIGINATOR_ID withdraws inside the AS', 'ORIGINATOR_ID of 3 octets'),
    fault('7.10', 'a malformed CLUSTER_LIST withdraws inside the AS', 'CLUSTER_LIST of 6 octets'),
    held(
      '7.11',
      'a next hop of another length in MP_REACH_NLRI ends the session',
      FAULTS,
      'an attribute of routes (RFC 4760',
    ),
    held('7.12', 'an MP_UNREACH_NLRI that cannot be read ends the session', FAULTS, 'an attribute of routes (RFC 4760'),
    aside('7.13', 'the traffic engineering attribute', 'it is unknown here'),
    fault('7.14', 'malformed extended communities withdraw', 'EXTENDED_COMMUNITIES of 12 octets'),
    fault('7.15', '… those of IPv6 too', 'IPV6_EXTENDED_COMMUNITIES of 8 octets'),
    aside('7.16', 'ATTR_SET', 'it is unknown here'),
    held('7.5', 'LOCAL_PREF from outside is discarded', FAULTS, 'a LOCAL_PREF'),
    held('7.9', 'ORIGINATOR_ID from outside is discarded', FAULTS, 'an ORIGINATOR_ID'),
    held('7.10', 'CLUSTER_LIST from outside is discarded', FAULTS, 'a CLUSTER_LIST'),
  ],
  8212: [
    held('3', 'without a policy nothing is taken from eBGP nor told to it', DEFAULTS, 'RFC 8212 §3: without pools'),
    aside('3', '… not even own routes', 'the built-in policy advertises them: this is what the agent is for'),
  ],
  8326: [
    held('4', 'a marked route from eBGP gets a low LOCAL_PREF', DEFAULTS, 'RFC 8326 §4: GRACEFUL_SHUTDOWN from eBGP'),
    held('4', 'before an end routes are marked and those of the others come last', LEAVE, 'by hand: both directions'),
    held(
      '4',
      '… then the network has time, and the session ends with a Cease',
      LEAVE,
      'first other ways are preferred',
    ),
  ],
  8654: [
    held('4', 'longer messages to whoever announced that it takes them', NEGOTIATE, 'longer messages go to whoever'),
    held(
      '4',
      'whoever announces it takes 65,535 octets',
      'engine/hostile.long',
      'also from one that does not take them',
    ),
    held('4', 'OPEN and KEEPALIVE stay short', 'bgp/wire/framer', '§4: %s stays at 4096'),
    held('5', 'a NOTIFICATION stays short', 'bgp/wire/notification', 'data that does not fit in 4096 octets is cut'),
  ],
  9003: [
    held('2', 'text is UTF-8 of 255 octets at most', 'bgp/wire/notification', '255 octets stay'),
    held('2', 'what is no UTF-8 is not read as text', 'bgp/wire/notification', 'no UTF-8'),
    held('2', 'text goes with Administrative Reset, too', 'bgp/session/peer', 'administrative reset carries it'),
    held('2', '… and with no other subcode', 'bgp/session/peer', 'another subcode carries no text'),
  ],
  9072: [
    held('2', 'the extended form is taken, though short', OPEN, 'the extended form (RFC 9072), though short'),
    held('2', '… whatever the first length is', OPEN, 'the extended form whose first length is not 255'),
    held('2', 'it is written only where it must be', OPEN, '254 octets of capabilities take the extended form'),
  ],
  9234: [
    held('4.2', 'roles that do not match are 2/11', NEGOTIATE, 'both provide'),
    held('4.2', 'several that differ are 2/11', NEGOTIATE, 'several that differ'),
    held('4.2', 'the same twice is one', NEGOTIATE, 'they say the same twice'),
    held('5', 'from a customer or client with the mark: a leak', ROLES, 'from a customer with it: a leak'),
    held('5', 'from a peer with another AS in it: a leak', ROLES, 'from a peer with another AS in it'),
    held('5', 'from a provider, peer or server without it: marked', ROLES, 'from a provider without it'),
    held('5', 'to a customer, peer or client: marked with our AS', ROLES, 'to a customer: marked with our AS'),
    held('5', 'marked, it goes to no provider, peer or server', ROLES, 'to a provider, marked: never'),
    held('5', 'a mark stays as it is', ROLES, 'to a customer, marked already: as it is'),
  ],
}
