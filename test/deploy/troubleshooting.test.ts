/** Whoever searches deploy/docs/troubleshooting.md for a text finds it only if the product says it so. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { hostPrefix, type Prefix } from '../../src/base/prefix.ts'
import { Keys } from '../../src/edge/keys.ts'
import { SocketProtection } from '../../src/edge/net/protection.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, endpointSlice, node, service, upsert } from '../support/objects.ts'
import { World } from '../support/world.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8')

const PAGE = read('deploy/docs/troubleshooting.md')

/** What the first column of its tables quotes. */
const quoted = [...PAGE.matchAll(/^\| ((?:[^|]|\\\|)*) \|/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
)

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }] })
const [HERE, ROUTER] = ['10.0.0.11', '10.0.0.1']

interface Settings {
  /** Of our BGPPeer. */
  readonly here?: object
  /** Of the router's. */
  readonly there?: object
  readonly pods?: readonly string[]
}

/** A node in AS 64512 and a router in AS 65000, both agents of ours. */
function pair({ here, there, pods = [] }: Settings) {
  const world = new World()
  const host = (name: string, address: string, as: number, to: object) =>
    world.add(
      name,
      [address],
      [
        node(name, { addresses: [address], podCIDRs: name === 'worker' ? ['10.244.1.0/24'] : pods }),
        bgpConfiguration({
          asNumber: as,
          nodeToNodeMeshEnabled: false,
          serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
        }),
        TAKE_ALL,
        bgpPeer('one', { filters: ['take-all'], ...to }),
      ].map((object) => upsert(object)),
    )
  const router = host('router', ROUTER, 65_000, { peerIP: HERE, asNumber: 64_512, ...there })
  const worker = host('worker', HERE, 64_512, { peerIP: ROUTER, asNumber: 65_000, ...here })
  const show = (line = 'show protocols all'): string => {
    world.pass(30_000)
    return world.ask(worker, line)
  }
  return { world, router, worker, show }
}

/** The router takes fewer routes than we have. */
function tooMany() {
  const { world, worker, show } = pair({ there: { maxPrefixes: { ipv4: { limit: 1 } } } })
  expect(world.until(() => worker.told('notification-received').length > 0)).toBe(true)
  return { atOnce: world.ask(worker, 'show protocols all'), later: show() }
}

function lost(): string {
  const { world, worker, router, show } = pair({})
  show()
  world.pause(router, 3_600_000)
  world.pass(120_000)
  return world.ask(worker, 'show protocols all')
}

function unsigned(): string | undefined {
  const protection = new SocketProtection(new Keys(), { md5: true, ao: false })
  const key = { secret: 'bgp', key: 'k', version: 1 }
  const signing = { kind: 'ao', keys: [{ sendId: 1, receiveId: 1, algorithm: 'HMAC-SHA-1-96', key }] } as const
  protection.set([{ prefix: hostPrefix(ROUTER) as Prefix, zone: undefined, signing, minTtl: undefined }])
  return protection.whyUnsigned(ROUTER)
}

function explained(address: string): string {
  const { world, worker, show } = pair({})
  world.change(worker, [
    upsert(
      service('shop/web', {
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.10'],
        loadBalancerIPs: ['192.0.2.10', '198.51.100.1'],
        externalTrafficPolicy: 'Local',
      }),
    ),
    upsert(endpointSlice('shop/web', 'IPv4', [{ node: 'other', ready: true }])),
  ])
  return show(`show explain ${address}`)
}

/** The columns of `kubectl get`. */
const crds = () =>
  readdirSync(`${ROOT}deploy/crds`)
    .map((file) => read(`deploy/crds/${file}`))
    .flatMap((text) => [...text.matchAll(/^ {8}- name: (.+)$/gm)].map(([, name = '']) => `${name.toUpperCase()} False`))
    .join('\n')
const errors = () => read('src/edge/error-text.ts')

/** Each quoted text, where `N` and `M` stand for numbers and `…` for anything → what says it. */
const SAID_BY: Readonly<Record<string, () => string | undefined>> = {
  'READY False': crds,
  'CONFIGURED False': crds,
  'ACCEPTED False': crds,
  'REFS False': crds,
  UPDATED: crds,
  ACCEPTED: crds,
  'Held: …': () => pair({ here: { filters: ['lost'] } }).show(),
  'Connection refused': errors,
  'No route to host': errors,
  'Connection timed out': errors,
  'this kernel has no TCP-AO': unsigned,
  'Bad peer AS: N, expected M': () => pair({ here: { asNumber: 65_001 } }).show(),
  'Received: OPEN Message Error: Bad Peer AS': () => pair({ there: { asNumber: 64_513 } }).show(),
  'Hold timer expired': lost,
  'Automatic shutdown: N ipv4 routes, M allowed': () =>
    pair({ here: { maxPrefixes: { ipv4: { limit: 1 } } }, pods: ['10.245.1.0/24', '10.245.2.0/24'] }).show(),
  'Received: Cease: Maximum Number of Prefixes Reached': () => tooMany().atOnce,
  'Received: Cease: Connection Rejected': () => tooMany().later,
  'outside serviceLoadBalancerIPs': () => explained('198.51.100.1'),
  'no IPv4 endpoint on this node is ready': () => explained('192.0.2.10'),
  advertised: () => explained('10.244.1.0/24'),
}

test('every text has a run or a place that says it, and nothing else has', () => {
  expect(Object.keys(SAID_BY).sort()).toEqual([...new Set(quoted)].sort())
})

test.each(Object.entries(SAID_BY))('%s', (text, say) => {
  const words = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\b[NM]\b/g, '\\d+')
  expect(say()?.replace(/ +/g, ' ')).toMatch(new RegExp(words.replace('…', '\\S')))
})
