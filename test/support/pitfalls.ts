/**
 * What implementers of BGP most often get wrong, by the number that tests carry in brackets: `[43] withdrawn and announced …`.
 * A row names a test that shows it done; where an RFC says MUST and a neighbor can break it, also one that shows what the
 * breach comes to. What is not ours (yet) says why. `pitfalls.test.ts` holds the tests to it.
 */
interface Pitfall {
  readonly about: string
  /** How the name of a test that shows it done begins, behind the number. */
  readonly done?: string
  /** The same for what answers a neighbor that does otherwise. */
  readonly breach?: string
  /** Why there is no test. */
  readonly notHere?: string
}

const pitfall = (about: string, done: string, breach?: string): Pitfall => ({
  about,
  done,
  ...(breach !== undefined && { breach }),
})
const notHere = (about: string, reason: string): Pitfall => ({ about, notHere: reason })

export const PITFALLS: Readonly<Record<number, Pitfall>> = {
  // Messages
  1: pitfall('a marker of ones', 'whole', 'marker wrong in its first octet'),
  2: pitfall('lengths by type, judged by the header alone', 'whole', 'length 18'),
  3: pitfall('known types', 'whole', 'type 0'),
  4: pitfall('longer messages, but no longer OPEN', 'an UPDATE of 60,019 octets', 'OPEN of 4097 octets'),
  5: pitfall('the version, with ours as Data', 'is of version 4', 'version 3'),
  6: pitfall(
    'AS, identifier and hold time of an OPEN',
    'hold time 0 and 3 are legal',
    'our own router ID inside our AS',
  ),
  7: pitfall('unknown capabilities and parameters', 'an unknown capability is no error', 'an unknown parameter'),
  8: pitfall('the extended form of OPEN', 'the extended form (RFC 9072), though short', 'the extended form cut short'),
  9: pitfall('the four-octet AS number counts', 'the capability wins', 'two numbers'),
  10: pitfall('capabilities that come twice', 'announced twice', 'add-path with a mode outside 1 to 3 is ignored'),
  11: pitfall('families nobody announced', 'none announced is IPv4 unicast', 'IPv4 routes, even broken ones'),

  // Sessions
  12: pitfall('messages out of turn', '%s leads where RFC 4271 says', 'an UPDATE behind it'),
  13: pitfall('collisions', 'however messages cross', 'in Established the newcomer loses'),
  14: pitfall('a second connection that means a restart', 'RFC 4724 §4.2, §5: the neighbor has restarted'),
  15: pitfall('what restarts the hold timer', 'KEEPALIVE restarts it', 'half a message does not'),
  16: pitfall('keepalives with jitter, UPDATEs in their place', 'an hour of them'),
  17: pitfall('what has been read counts before the timer', 'what was read before the timer is looked at counts'),
  18: pitfall('retries that become rarer', 'the pause doubles'),
  19: pitfall('no penalty for an orderly end', 'a short one, ended by administrative reset'),
  20: pitfall('who waits also times out', 'a passive neighbor that calls and says nothing'),
  21: notHere('an OPEN while ours is delayed', 'our OPEN is never delayed'),
  22: pitfall('words with a shutdown', 'words said with a shutdown arrive', 'no UTF-8'),
  23: pitfall(
    'a NOTIFICATION arrives before the end',
    'the last message arrives though the neighbor was still sending',
  ),
  24: pitfall('send hold timer', 'a network that takes what is sent', 'eight minutes'),
  25: pitfall('GTSM', 'TTL security (RFC 5082 §3): both send 255'),
  26: pitfall('keys of TCP-MD5 before anybody speaks', 'one key on both sides', 'with %s nobody gets in'),
  27: pitfall('link-local addresses have an interface', 'goes over the interface of its session', 'needs to know it'),

  // UPDATE, read
  28: pitfall(
    'lengths that fit in the message',
    'withdrawn routes, NLRI and NEXT_HOP',
    'lengths that exceed the message',
  ),
  29: pitfall('where NLRI begins', 'withdrawn routes, NLRI and NEXT_HOP', '%s: the NLRI is found and withdrawn'),
  30: pitfall('faults without a route', 'an UPDATE that announces nothing', '%s without a route: 3/1'),
  31: pitfall('several faults', 'of several faults the strongest counts', 'MP_REACH_NLRI twice'),
  32: pitfall('the two flags that count', 'Partial on a well-known attribute is dropped', 'ORIGIN marked optional'),
  33: pitfall('empty attributes', 'an empty AS_PATH is good from inside', 'empty COMMUNITIES'),
  34: pitfall('attributes that must be there', 'MP_REACH_NLRI alone needs no NEXT_HOP', '%s is missing'),
  35: pitfall('what stays inside an AS', 'from outside both attributes are dropped', 'LOCAL_PREF of 3 octets'),
  36: pitfall('AS4_PATH of new and old neighbors', 'confederation segments in AS4_PATH', 'AS4_PATH from a new peer'),
  37: pitfall('AS_PATH and AS4_PATH in one', 'AS4_PATH replaces what it covers', 'an AS4_PATH longer than AS_PATH'),
  38: pitfall('unknown attributes', 'unknown, optional and transitive: kept', 'unknown, optional, not transitive'),
  39: pitfall('unknown attributes that are not optional', 'an unknown attribute that is not optional'),
  40: pitfall('prefixes', 'bits behind the length of a prefix do not count', 'a prefix of 33 bits'),
  41: pitfall('lengths of next hops', 'IPv6 with a global next hop', 'IPv6 with a next hop of 4 octets'),
  42: pitfall(
    'families not agreed on',
    'a family that was not agreed on is left aside',
    'what is of a family that was not',
  ),
  43: pitfall('withdrawn and announced at once', 'withdrawn and announced in one UPDATE is announced'),
  44: pitfall('one prefix in old and new fields', 'one prefix in the fields of IPv4 and in MP attributes'),
  45: pitfall('AS_PATH', 'a full sequence gets another in front', 'AS_PATH with segment type 0'),
  46: pitfall('AS_SET', 'an empty path becomes a sequence of one', 'AS_PATH with an AS_SET'),
  47: pitfall('next hops that lead nowhere', 'the neighbor itself is a fine next hop', 'NEXT_HOP is %s'),
  48: pitfall('no reset over what is only handed on', 'MED of 3 octets'),

  // UPDATE, written
  49: pitfall('one kind of routes per UPDATE', 'we write one of the four in an UPDATE', 'all four in one message'),
  50: pitfall('only the last state is told', 'the same attributes go in one message, and a change that did not last'),
  51: pitfall(
    'next hops we write',
    'external to internal: path and next hop stay',
    'a learned one is not told inside the AS',
  ),
  52: pitfall('what does not leave an AS', 'external to external', 'what is not for external neighbors goes'),
  53: pitfall('split horizon and reflection', 'from a client: to all, but not back', 'our cluster ID'),
  54: pitfall(
    'End-of-RIB',
    'End-of-RIB per family behind the first feed',
    'no End-of-RIB while the replay is under way',
  ),
  55: pitfall('another policy withdraws', 'another export policy withdraws what it refuses'),
  56: pitfall(
    'attributes that fit no message',
    'messages are as long as agreed on',
    'attributes that fit no message: withdrawn',
  ),
  57: notHere('MRAI', 'there is no such pause: what changes twice before it is sent is sent once'),

  // Decision
  58: pitfall('who may compete', 'once, where once is allowed', 'our own AS in the path'),
  59: pitfall('length of a path', 'a set counts one'),
  60: pitfall('a MED that is missing', 'a MED that is missing is the lowest'),
  61: pitfall('MED removes, and orders no pairs', 'MED removes within a neighbor AS'),
  62: pitfall('the oldest path', 'is off unless asked for'),
  63: pitfall('outside over inside, then the metric', 'what came from outside wins over what came from inside'),
  64: pitfall('router ID, cluster list, address', 'the last steps'),
  65: pitfall('routes of a restarting neighbor compete as others do', 'what is kept of a lost neighbor is the best'),
  66: pitfall('equal paths', 'only the best is told; who joins or leaves the others'),
  67: pitfall('LOCAL_PREF that is not there', 'LOCAL_PREF that is not there counts as 100'),

  // Refresh and restart
  68: pitfall('refreshes', 'a refresh tells everything again', 'its BoRR before its End-of-RIB is ignored'),
  69: pitfall('keeping the routes of a neighbor that restarts', '§4.2: routes MUST be kept', '§4.2: %s'),
  70: pitfall(
    'NOTIFICATION and graceful restart',
    'RFC 8538 §4: with the N bit',
    'RFC 8538 §3.2, §4: a Hard Reset MUST',
  ),
  71: pitfall('our own restart', '%s, 60 s, and a new one', 'of another boot'),
  72: pitfall('fields of the capability', 'graceful restart: the time has twelve bits'),
  73: pitfall('long-lived graceful restart', '§4.2: after the Restart Time routes are kept'),
  74: pitfall('GRACEFUL_SHUTDOWN that comes in', 'marked from outside: local preference 0'),
  75: pitfall('too many routes', 'a word before the limit, once', 'one route too many is Cease/1'),

  76: pitfall('the neighbor’s numbers in the Detection Time', '§6.8.4: the neighbor'),
  77: pitfall('a slow pace while not Up', '§6.1, §6.8.3: while it is not Up'),
  78: pitfall('Poll Sequences', '§6.8.3: an increased Desired Min TX'),
  79: pitfall('the checks of a packet', 'a packet octet by octet', 'version 0'),
  80: pitfall('TTL 255', 'RFC 5881 §5, RFC 5880 §9: what has crossed a router', 'a discriminator that is known'),
  81: pitfall('AdminDown of the neighbor is no failure', 'RFC 5882 §3.2, §4.1: the neighbor has disabled it'),
  82: pitfall('BFD Down is told as Cease/10', 'RFC 9384 §3: a neighbor that is lost'),
  83: pitfall('BGP comes up before BFD does', 'RFC 5882 §3.3: it has not come up yet'),
  84: pitfall('the discriminator of a neighbor that is gone', '§6.8.1: RemoteDiscr MUST be zero'),
  85: pitfall('a thread of its own', 'a main thread that stands still'),
}
