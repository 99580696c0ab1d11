/**
 * `nodeRoutes: Direct` in a cluster of 500 nodes, mesh off: each prefix has exactly one owner in every kernel, and what a
 * change of one Node costs an agent does not grow with the cluster, but for one look at the Nodes.
 */
import { describe, expect, test } from 'vitest'
import { Lan, pods4, pods6 } from '../support/lan.ts'
import { upsert } from '../support/objects.ts'

const DIRECT = { nodeToNodeMeshEnabled: false, nodeRoutes: 'Direct' }
const NODES = 500
/** A kernel in memory takes room; agents know of each other by Node objects alone, so the others need not run. */
const AGENTS = Number(process.env.GODWIT_AGENTS ?? 20)

describe(`${NODES} nodes, ${AGENTS} agents with kernels`, () => {
  const lan = new Lan({ nodes: NODES, agents: AGENTS, configuration: DIRECT })
  const agents = lan.numbers().slice(0, AGENTS)
  const writes = () => agents.map((number) => lan.kernel(number).written.length)
  /** Changes of the kernel that each agent made for it. */
  const cost = (change: () => void): number[] => {
    const before = writes()
    change()
    lan.world.pass(2_000)
    return [...new Set(writes().map((count, index) => count - (before[index] ?? 0)))].sort((a, b) => a - b)
  }

  test('each prefix has one owner in every kernel, and no session is there', () => {
    lan.world.pass(10_000)
    expect(agents.flatMap((number) => lan.wrong(number))).toEqual([])
    expect(agents.every((number) => lan.host(number).up === 0)).toBe(true)
    // One blackhole of each family, and the routes to the others, each written once.
    expect([...new Set(writes())]).toEqual([2 + 2 * (NODES - 1)])
  })

  test('a change of one Node is two routes for each agent, one that means nothing is none', () => {
    const labels = { ...lan.node(400), metadata: { name: 'n400', labels: { zone: 'b' } } }
    expect(cost(() => lan.tell([upsert(labels)]))).toEqual([0])
    expect(cost(() => lan.tell([upsert(lan.node(400, { addresses: ['10.0.99.99', 'fd00:10::9999'] }))]))).toEqual([2])
    expect(cost(() => lan.tell([{ kind: 'delete', ref: { kind: 'Node', namespace: '', name: 'n400' } }]))).toEqual([2])
    expect(cost(() => lan.tell([upsert(lan.node(400))]))).toEqual([2])
    expect(agents.flatMap((number) => lan.wrong(number))).toEqual([])
  })

  test('a node that claims the pod CIDR of another gets nothing, whichever comes first', () => {
    const twin = lan.node(499, { podCIDRs: [pods4(300), pods6(499)] })
    expect(cost(() => lan.tell([upsert(twin)]))).toEqual([1])
    expect(agents.every((number) => lan.owners(number).get(pods4(300))?.length === 1)).toBe(true)
    expect(lan.kernel(1).own.find((line) => line.startsWith(`${pods4(300)} `))).toContain(
      `via ${lan.addresses(300)[0]} `,
    )
    expect(lan.problems(1).join('\n')).toMatch(/Node\/n499 .* is also a pod CIDR of Node\/n300, which gets the route/)
    expect(cost(() => lan.tell([upsert(lan.node(499))]))).toEqual([1])
  })

  test('an agent that starts again writes nothing', () => {
    const [first = 1] = agents
    lan.world.crash(lan.host(first))
    expect(cost(() => lan.start(first))).toEqual([0])
    lan.world.pass(60_000)
    expect(lan.wrong(first)).toEqual([])
  })
})
