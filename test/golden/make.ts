/** Makes the stories anew, inputs and all: `node test/golden/make.ts`. Only when what comes in has to be another. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { bgpConfiguration, bgpFilter, bgpPeer, endpointSlice, node, service, upsert } from '../support/objects.ts'
import { announcement, attributes } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'
import { World } from '../support/world.ts'
import { Recorder } from './story.ts'

const FOLDER = new URL('stories/', import.meta.url)
const keep = (name: string, text: string): void => writeFileSync(new URL(`${name}.jsonl`, FOLDER), text)

const WORKER = node('worker-1', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
})
const CLUSTER = bgpConfiguration({
  asNumber: 64512,
  nodeToNodeMeshEnabled: false,
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
})
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const WEB = service('shop/web', { clusterIPs: ['10.96.0.10', 'fd00:96::10'], internalTrafficPolicy: 'Local' })
const slice = (ready: boolean) => endpointSlice('shop/web', 'IPv4', [{ node: 'worker-1', ready }])

/** A worker and its router, both whole agents; what the worker sees is kept. Both dial at once unless one is passive. */
function pair(
  name: string,
  story: string,
  passive: boolean,
  plot: (world: World, change: (ready: boolean) => void) => void,
): void {
  const recorder = new Recorder()
  const world: World = new World({
    before: (host, input) => host.name === 'worker-1' && recorder.begin(input, world.now),
    watch: (host, _input, effects) => host.name === 'worker-1' && recorder.end(effects),
  })
  world.add(
    'tor-1',
    ['10.0.0.1', 'fd00:10::1'],
    [
      node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'] }),
      bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      bgpPeer('worker-1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'], passive }),
    ].map((object) => upsert(object)),
  )
  const tor = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })
  const objects = [WORKER, CLUSTER, tor, WEB, slice(true)].map((object) => upsert(object))
  const worker = world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], objects)
  plot(world, (ready) => world.change(worker, [upsert(slice(ready))]))
  keep(name, recorder.text(story, worker.options))
}

function malformed(): void {
  const recorder = new Recorder()
  const rig = new Rig({ neighbors: 2, record: (input, now, effects) => recorder.turn(input, now, effects) })
  const [good, bad] = rig.neighbors as [RawNeighbor, RawNeighbor]
  for (const one of [good, bad]) {
    one.establish()
    const asPath = [{ kind: 'sequence', asns: [one.asn] }] as const
    one.send(announcement([`172.${16 + one.asn - 65_001}.0.0/16`], attributes({ asPath }), one.address))
  }
  const broken = announcement(
    ['172.30.0.0/16'],
    attributes({ asPath: [{ kind: 'sequence', asns: [bad.asn] }] }),
    bad.address,
  )
  // ORIGIN 9: treat-as-withdraw (RFC 7606 §7.1).
  const origin = broken.findIndex((byte, at) => at > 23 && byte === 0x40 && broken[at + 1] === 1)
  const withdrawn = broken.slice()
  withdrawn[origin + 3] = 9
  bad.send(withdrawn)
  bad.send(broken.slice())
  // A length of attributes that reaches past the message: the session ends (RFC 7606 §3 b).
  const lying = broken.slice()
  lying[22] = 255
  bad.send(lying).hangUp()
  keep(
    'malformed-update',
    recorder.text('One neighbor sends an ORIGIN of 9, and then lengths that do not fit', rig.options),
  )
}

mkdirSync(FOLDER, { recursive: true })
pair(
  'endpoint-change',
  'A session comes up, everything is told, the only endpoint goes and comes back',
  true,
  (world, change) => {
    world.pass(3_000)
    change(false)
    world.pass(1_000)
    change(true)
    world.pass(1_000)
  },
)
pair('collision', 'Both ends restart the session and dial at the same moment; one connection lives', false, (world) => {
  world.pass(3_000)
  for (const host of world.hosts.values()) world.ask(host, 'restart all')
  world.pass(3_000)
})
malformed()
