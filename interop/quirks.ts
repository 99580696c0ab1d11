// What the other speakers do that one would not expect; seen in this lab.

export const QUIRKS: readonly string[] = [
  'FRR 8.4 without zebra knows no interfaces: an IPv6 next hop of 32 bytes (global and link-local) over an IPv4 session is treated as withdrawn, and the session is then reset with 3/10. The lab therefore runs zebra beside bgpd.',
]
