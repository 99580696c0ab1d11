// What a person does to a running cluster under traffic, by the steps of deploy/README.md: a node moves from another speaker to our agent,
// and back; a router is drained and gets another password. No packet is lost.

import type { StreetShape } from '../traffic/plan.ts'
import { changeKeysDrained, moveBack, moveFrom } from '../traffic/scenarios.ts'
import { type NodeKind, Street } from '../traffic/scene.ts'
import { Streams } from '../traffic/streams.ts'
import { type Case, expect, Skip } from './case.ts'
import { FABRIC_LIMIT, needs } from './fabric.ts'

const move = (name: string, kind: NodeKind, act: (street: Street) => Promise<void>, shape: StreetShape = {}): Case => ({
  name: `packets: ${name}, and no packet is lost`,
  speakers: 'once',
  limit: 2 * FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    if (!bench.present.some((speaker) => speaker.kind === 'bird')) throw new Skip('BIRD is not here')
    const street = await Street.build(bench.lab, { frr: bench.speaker }, kind, shape)
    const streams = await Streams.start(street.flows())
    await act(street)
    const losses = [...(await streams.stop())].filter(([, { lost }]) => lost > 0)
    const text = losses.map(([{ name: flow }, { lost, dark }]) => `${flow}: ${lost} lost in ${dark} ms`)
    expect(losses.length === 0, text.join('; '))
  },
})

export const cases: readonly Case[] = [
  move('nodes move from BIRD as Calico configures it', 'bird', (street) => moveFrom(street, 'bird')),
  move('nodes move from FRR', 'frr', (street) => moveFrom(street, 'frr')),
  move('nodes move back to BIRD', 'godwit', moveBack),
  move('a router is drained, and changes its password', 'godwit', changeKeysDrained, {
    keys: ['sardine-1', 'sardine-2'],
  }),
]
