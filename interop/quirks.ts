// What the other speakers do that one would not expect; seen in this lab.

export const QUIRKS: readonly string[] = [
  'FRR 8.4 without zebra knows no interfaces: an IPv6 next hop of 32 bytes (global and link-local) over an IPv4 session is treated as withdrawn, and the session is then reset with 3/10. The lab therefore runs zebra beside bgpd.',
  'FRR sends a route back to the neighbor it came from. The neighbor must refuse it for its own AS in the path; GoBGP still lists it in its adj-in.',
  'FRR 8.4 with enhanced refresh puts off the answer to a ROUTE-REFRESH until it has sent End-of-RIB, and sends that only to neighbors that announce graceful restart: other neighbors never get an answer. FRR 10 answers.',
  'FRR refuses a NOTIFICATION that comes in OpenSent with one of its own, 5/1, and shows only its own afterwards; its log has both.',
  'FRR with extended-optional-parameters reads every OPEN as one in the extended form of RFC 9072, and refuses one in the short form with 2/0.',
  'BIRD removes a MED towards eBGP unless its export filter sets it.',
  'BIRD keeps the routes of a killed FRR for the restart time: FRR announces graceful restart without being asked to.',
  'BIRD without a global address writes :: before its link-local next hop, FRR writes the link-local one twice; both read either.',
  'GoBGP closes connections that reach it while it is Idle after an error, without a word: the last error of the other side then is a closed connection.',
  'GoBGP passes IPv6 routes on over an IPv4 eBGP session with its IPv4 address as their next hop.',
  'OpenBGPD 7.7 on Linux advertises routes of the family that a session does not run over with a next hop of the loopback interface; the lab therefore sets them in its filters. 8.8 advertises its own address.',
  'OpenBGPD 7.7 answers a ROUTE-REFRESH with what has changed since, so mostly with nothing. 8.8 sends everything.',
  'OpenBGPD sends End-of-RIB, and the end of an enhanced refresh, only to neighbors that announce graceful restart; 8.8 sends the begin of a refresh all the same, so its routes are refreshed, but stale ones stay until our own timer for them expires.',
  'OpenBGPD dials again only two minutes after a connection was refused or broke off; where it and its neighbor dial at the same moment, both may lose.',
  'ExaBGP 4.2.21 with the multi-session capability refuses neighbors without it, by a subcode 2/9 that is not in the registry.',
  'GoBGP shows a NOTIFICATION that comes before the session is up neither in its log nor in its state.',
]
