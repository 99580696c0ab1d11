/** What came to BGP-4 later, but for restarts and BFD. `clauses.test.ts` holds the rows. */
import { type Clauses, held } from './clause.ts'

const FAULTS = 'bgp/wire/update-faults'
const OPEN = 'bgp/wire/open'
const NEGOTIATE = 'bgp/session/negotiate'
const REFLECTION = 'bgp/rib/reflection'
const ROLES = 'bgp/rib/roles'
const REFRESH = 'engine/refresh'

export const EXTENSIONS: Clauses = {
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
    held('7.5', 'LOCAL_PREF from outside is discarded', FAULTS, 'a LOCAL_PREF'),
    held('7.9', 'ORIGINATOR_ID from outside is discarded', FAULTS, 'an ORIGINATOR_ID'),
    held('7.10', 'CLUSTER_LIST from outside is discarded', FAULTS, 'a CLUSTER_LIST'),
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
