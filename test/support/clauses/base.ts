/** BGP-4 (RFC 4271, §4 to §10). `clauses.test.ts` holds the rows. */
import { aside, type Clauses, held } from './clause.ts'

const UPDATE = 'bgp/wire/update'
const FRAMER = 'bgp/wire/framer'
const OPEN = 'bgp/wire/open'
const PEER = 'bgp/session/peer'
const TIMERS = 'bgp/session/timers'
const RIB = 'bgp/rib/rib'

export const BASE: Clauses = {
  4271: [
    held('4.3', 'bits behind the length of a prefix do not count', 'bgp/rib/one-update', 'bits behind the length'),
    held('4.3', 'withdrawn and announced in one UPDATE is announced', 'bgp/rib/one-update', 'in the fields of IPv4'),
    held('4.3', 'unused bits of Attribute Flags are sent as 0 and not read', UPDATE, 'unused bits of the flags'),
    held('4.4', 'no two KEEPALIVEs within a second', TIMERS, 'never two within a second'),
    held('4.4', 'none at all with a Hold Time of 0', TIMERS, 'hold time 0: no timer'),
    held('5', 'attributes are taken in any order', UPDATE, 'any order gives the same bytes'),
    held(
      '5',
      'unknown, optional and transitive: passed on, Partial set',
      UPDATE,
      'unknown, optional and transitive: kept',
    ),
    held('5', 'unknown, optional, not transitive: ignored', UPDATE, 'unknown, optional, not transitive'),
    held('5.1.2', 'the path stays as it is to internal peers', RIB, 'external to internal: path and next hop stay'),
    held('5.1.2', 'our AS in front to external peers', RIB, 'external to external: our AS in front'),
    held(
      '5.1.2',
      '… in a segment of its own where the first is full',
      'bgp/rib/transform',
      'a full sequence gets another',
    ),
    held(
      '5.1.3',
      'no peer is told its own address as next hop',
      'bgp/rib/own-next-hop',
      'a route that leads to one of',
    ),
    held('5.1.3', 'no route with ourselves as next hop is used', RIB, 'a next hop that is ours'),
    held('5.1.4', 'a MED learned goes to no other AS', RIB, 'external to external: our AS in front'),
    held(
      '5.1.4',
      'a MED can be removed before routes are compared',
      'bgp/rib/decision',
      'one that an import rule removes',
    ),
    held('5.1.5', 'LOCAL_PREF to internal peers', RIB, 'external to internal: path and next hop stay'),
    held('5.1.5', '… not to external ones', 'bgp/rib/transform', 'what is not for external neighbors goes'),
    held('5.1.5', '… and ignored from those', 'bgp/wire/update-faults', 'a LOCAL_PREF'),
    held('6.1', '1/1 for a marker that is not all ones', FRAMER, 'marker wrong in its first octet'),
    held('6.1', '1/2 with the length for one that cannot be', FRAMER, 'length 18'),
    held('6.1', '1/3 with the type for one that is not known', FRAMER, 'type 0'),
    held('6.2', '2/1 with our version', OPEN, 'version 3'),
    held('6.2', '2/2 for an AS that is not acceptable', OPEN, 'AS 0'),
    held('6.2', '2/3 for an identifier that cannot be', OPEN, 'identifier 0.0.0.0'),
    held('6.2', '2/4 for an unknown optional parameter', OPEN, 'optional parameter 3'),
    held('6.2', '2/0 for a parameter that is malformed', OPEN, 'a parameter past the end'),
    held('6.2', '2/6 for a Hold Time of one or two seconds', OPEN, 'hold time 1'),
    aside('6.3', 'the session ends over an UPDATE', 'RFC 7606 has the rules of today: see there'),
    aside(
      '6.3',
      'an external next hop shares a subnet with us',
      'not demanded: fabrics have others, and the kernel judges',
    ),
    held('6.4', 'a NOTIFICATION is not answered', PEER, 'in %s is the end and is not answered'),
    held(
      '6.5',
      '4/0 where the Hold Time passes in silence',
      'engine/faults.long',
      'silence ends with Hold Timer Expired',
    ),
    held('6.6', '5 for a message at the wrong time', PEER, 'UPDATE in OpenSent'),
    held('6.8', 'of two connections one is closed, by identifier', PEER, 'in OpenConfirm, we are higher: ours lives'),
    held('6.8', 'an Established one stays', PEER, 'in Established the newcomer loses'),
    held('8.2.2', 'each state and event leads where it says', 'bgp/session/fsm', '%s leads where RFC 4271 says'),
    held(
      '9.1.2',
      'no route whose next hop cannot be reached',
      'bgp/rib/multipath',
      'a route without a way to its next hop',
    ),
    held('9.1.2', 'no route with our AS in its path', RIB, 'our own AS in the path'),
    held('9.1.2.2', 'MED is compared within a neighbor AS', 'bgp/rib/decision', 'what removed a path goes'),
    held('9.1.3', 'what policy no longer lets out is withdrawn', RIB, 'another export policy withdraws'),
    held('9.2', 'an internal route goes to no internal peer', RIB, 'internal to internal: nothing'),
    held('9.2', 'what fits no message is not advertised', RIB, 'attributes that fit no message'),
    aside(
      '9.2.1.1',
      'a pause between two UPDATEs about a prefix',
      'there is none: what changes twice unsent is sent once',
    ),
    aside('9.2.1.2', 'a pause between two UPDATEs about our own routes', 'there is none, as in the speakers of today'),
    aside('9.2.2.2', 'rules for aggregates', 'nothing learned is aggregated'),
    held('10', 'timers are jittered', TIMERS, 'an hour of them'),
  ],
}
