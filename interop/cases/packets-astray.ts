// A border node whose kernel has another program's route in place of a learned one: the router behind it is not told that
// packets may come here, where they would end or turn back.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { bgpPeer, kubeNode, Manifests } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { defaultRoutes, forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { FABRIC_LIMIT, needs, podCidr, pool } from './fabric.ts'
import { renderFabricRouter } from './fabric-frr.ts'
import { CLUSTER_AS, configuration, ROUTER_AS } from './rack.ts'

/** The router and the border node share the first network, the border node and the worker the second. */
const at = (network: number, last: number) => ({ ipv4: `10.74.${network}.${last}`, ipv6: `fd74:${network}::${last}` })
const addresses = (network: number, last: number): readonly string[] => {
  const { ipv4, ipv6 } = at(network, last)
  return [`${ipv4}/24`, `${ipv6}/64`]
}
const [ROUTER, BORDER, BESIDE, WORKER] = [at(1, 1), at(1, 11), at(2, 11), at(2, 12)]
const POD = { ipv4: '10.244.2.7', ipv6: 'fd00:244:2::7' }

/** Routes that a person adds on the border node to the worker's pods. */
const TROUBLES: readonly { readonly what: string; readonly route: (family: Family) => string }[] = [
  { what: 'a blackhole', route: (family) => `blackhole ${podCidr(2, family)} metric 100` },
  { what: 'a way back', route: (family) => `${podCidr(2, family)} via ${ROUTER[family]} metric 100` },
  // It does not win against ours, which stands back all the same.
  { what: 'a way back that is worse', route: (family) => `${podCidr(2, family)} via ${ROUTER[family]} metric 5000` },
]

const isTold = async (router: Host, family: Family): Promise<boolean> =>
  (await kernelRoutes(router, 'bgp')).some((line) => line.startsWith(`${podCidr(2, family)} `))

const answers = async (router: Host, family: Family): Promise<void> => {
  await router.must(['ping', '-c', '1', '-W', '2', POD[family]])
}

const astray: Case = {
  name: 'packets: a border node tells no learned route that its kernel drops or leads back',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    const { lab, speaker } = bench
    await needs(bench, 'ping')
    const router = await lab.bare('router', ROUTER)
    const border = await lab.bare('node-1', BESIDE)
    const worker = await lab.bare('node-2', WORKER)
    for (const host of [router, border, worker]) await forward(host)
    const rack = { host: border, name: 'rack', addresses: addresses(1, 11) }
    await wire(rack, { host: router, name: 'node', addresses: addresses(1, 1) })
    const mesh = { host: border, name: 'mesh', addresses: addresses(2, 11) }
    await wire(mesh, { host: worker, name: 'mesh', addresses: addresses(2, 12) })
    await defaultRoutes(border, [ROUTER.ipv4, ROUTER.ipv6])
    await defaultRoutes(worker, [BESIDE.ipv4, BESIDE.ipv6])
    await ip(worker, [`address add ${POD.ipv4}/32 dev lo`, `address add ${POD.ipv6}/128 dev lo nodad`])
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    await manifests.put(
      configuration({ nodeToNodeMeshEnabled: true }),
      ...FAMILIES.map((family) => pool(family)),
      ...[border, worker].map((host, index) =>
        kubeNode(
          host,
          FAMILIES.map((family) => podCidr(index + 1, family)),
        ),
      ),
      ...FAMILIES.map((family) =>
        bgpPeer(`router-${family}`, ROUTER[family], ROUTER_AS, { node: border.name, advertiseLearned: true }),
      ),
    )
    const neighbors = FAMILIES.map((family) => ({ address: BORDER[family], asn: CLUSTER_AS }))
    const shape = { name: 'router', id: ROUTER.ipv4, asn: ROUTER_AS, neighbors, underlay: FAMILIES, families: FAMILIES }
    const raw = renderFabricRouter(shape)
    await speaker.start(router, { asn: ROUTER_AS, neighbors: [], raw, kernel: true })
    const agents = [border, worker].map((host) => new Agent(host, manifests, { linux: true }))
    await Promise.all(agents.map((agent) => agent.start()))
    const told = (family: Family, wanted: boolean, what: string) =>
      eventually(async () => {
        expect((await isTold(router, family)) === wanted, `${what}: ${podCidr(2, family)}, told ${!wanted}`)
      })
    for (const family of FAMILIES) await told(family, true, 'at first')
    for (const { what, route } of TROUBLES) {
      for (const family of FAMILIES) {
        await answers(router, family)
        await ip(border, [`route add ${route(family)}`])
        await told(family, false, what)
        await ip(border, [`route del ${route(family)}`])
        await told(family, true, `after ${what}`)
      }
    }
    for (const family of FAMILIES) await eventually(() => answers(router, family))
  },
}

export const cases: readonly Case[] = [astray]
