/** The neighbors of the node in `town-objects.ts`: one for each kind of session, and what each advertises. */
import { AFI, FAMILIES } from '../../src/base/family.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import type { SpeakerOptions } from './town-speaker.ts'

export const AS = 64512
/** Addresses of the node. */
export const OWN = ['10.0.0.100', 'fd00:10::100'] as const

const MULTIPLE: Capability = {
  kind: 'add-path',
  families: FAMILIES.map((family) => ({ afi: AFI[family], safi: 1, mode: 3 })),
}
const LONG: readonly Capability[] = [
  { kind: 'extended-next-hop', tuples: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
  { kind: 'role', role: 3 },
  MULTIPLE,
  restart(120),
  {
    kind: 'long-lived-graceful-restart',
    families: FAMILIES.map((family) => ({ afi: AFI[family], safi: 1, preserved: true, staleTime: 3_600 })),
  },
  { kind: 'enhanced-refresh' },
]

function restart(restartTime: number): Capability {
  const families = FAMILIES.map((family) => ({ afi: AFI[family], safi: 1, preserved: true }))
  return { kind: 'graceful-restart', restarted: false, notification: false, restartTime, families }
}

/** `number` is the last part of its addresses; it advertises pods, services and other routes. */
function speaker(name: string, number: number, asn: number, over: Partial<SpeakerOptions> = {}): SpeakerOptions {
  const asPath = asn === AS ? [] : [{ kind: 'sequence' as const, asns: [asn] }]
  const internal = asn === AS ? { localPref: 100 } : {}
  const [four, six] = [`10.0.0.${number}`, `fd00:10::${number}`]
  return {
    name,
    address: four,
    calls: OWN[0],
    asn,
    routerId: 0x0a000000 + number,
    capabilities: [restart(120)],
    routes: [
      { prefixes: [`10.244.${number}.0/24`], attributes: { asPath, ...internal }, nextHop: four },
      { prefixes: [`fd00:244:${number}::/64`], attributes: { asPath, ...internal }, nextHop: six },
      {
        prefixes: ['10.244.200.0/24', '172.16.0.0/16'],
        attributes: { asPath, med: number, ...internal },
        nextHop: four,
      },
      { prefixes: ['2001:db8:7::/48'], attributes: { asPath, ...internal, communities: [[64512, 3]] }, nextHop: six },
      { prefixes: ['198.51.100.99/32'], attributes: { asPath, ...internal }, nextHop: four },
    ],
    ...over,
  }
}

export const SPEAKERS: readonly SpeakerOptions[] = [
  speaker('plain', 1, 65001),
  speaker('six', 2, 65002, { address: 'fd00:10::2', calls: OWN[1], capabilities: [{ kind: 'enhanced-refresh' }] }),
  speaker('mesh', 3, AS),
  speaker('chosen', 4, AS),
  speaker('inner', 5, AS),
  speaker('rich', 6, 65006, { capabilities: LONG }),
  speaker('caller-1', 65, 65064),
  speaker('caller-2', 66, 65064),
  speaker('twin-4', 7, 65007),
  speaker('twin-6', 7, 65007, { address: 'fd00:10::7', calls: OWN[1] }),
  speaker('keyed', 8, 65008),
  speaker('chained', 18, 65018),
  speaker('gateway', 9, 65009),
  speaker('link', 14, 65014, { address: 'fe80::5%eth1', calls: 'fe80::100%eth1' }),
  speaker('held', 11, 65011),
  speaker('local', 13, 65013, { capabilities: [] }),
  speaker('far', 19, 65019, { address: '10.9.0.1' }),
  speaker('from', 20, 65020),
  speaker('drained', 21, 65021),
  speaker('other-as', 30, 64530),
  speaker('reflector', 31, AS),
]
