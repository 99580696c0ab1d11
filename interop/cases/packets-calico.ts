// Calico's users come over: nodes with blocks of Calico's IPAM move from BIRD by Calico's templates to our agent and back, by the
// steps of deploy/README.md, in a mesh and behind reflectors, while packets flow.

import { CALICO_LIMIT, CalicoCluster } from '../traffic/calico-scene.ts'
import { Streams } from '../traffic/streams.ts'
import { type Case, expect, Skip } from './case.ts'
import { needs } from './fabric.ts'

const move = (
  name: string,
  nodes: number,
  reflectors: readonly number[],
  act: (cluster: CalicoCluster) => Promise<void>,
): Case => ({
  name: `packets: ${name}, and no packet is lost`,
  speakers: 'once',
  limit: CALICO_LIMIT,
  async run(bench) {
    await needs(bench)
    if (!bench.present.some((speaker) => speaker.kind === 'bird')) throw new Skip('BIRD is not here')
    const cluster = await CalicoCluster.build(bench, nodes, reflectors)
    const streams = await Streams.start(cluster.flows())
    await act(cluster)
    const losses = [...(await streams.stop())].filter(([, { lost }]) => lost > 0)
    const text = losses.map(([{ name: flow }, { lost, dark }]) => `${flow}: ${lost} lost in ${dark} ms`)
    expect(losses.length === 0, text.join('; '))
  },
})

const thereAndBack =
  (order: readonly number[]) =>
  async (cluster: CalicoCluster): Promise<void> => {
    for (const number of order) await cluster.toGodwit(number)
    for (const number of order) await cluster.toBird(number)
  }

export const cases: readonly Case[] = [
  move(
    "the mesh of a cluster with Calico's IPAM moves from BIRD node by node, and back",
    3,
    [],
    thereAndBack([1, 2, 3]),
  ),
  move(
    "agents wait beside BIRD in a cluster with Calico's IPAM, and take over where it ends",
    3,
    [],
    async (cluster) => {
      await cluster.agentsWait()
      for (const number of [2, 1, 3]) await cluster.toGodwit(number)
    },
  ),
  move("a cluster with Calico's IPAM moves with its reflectors first, and back", 3, [3], thereAndBack([3, 1, 2])),
  move("a cluster with Calico's IPAM moves with its reflectors last, and back", 3, [3], thereAndBack([1, 2, 3])),
]
