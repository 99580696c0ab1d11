// What happens to a street under traffic.

import { expect } from '../cases/case.ts'
import { GODWIT } from '../cases/fabric.ts'
import { eventually } from '../lab/wait.ts'
import { ip, kernelRoutes } from '../lab/wire.ts'
import { NUMBERS, type StreetShape } from './plan.ts'
import type { NodeKind, Street } from './scene.ts'

export interface Scenario {
  readonly name: string
  /** Who speaks on the nodes at the beginning. */
  readonly kinds: readonly NodeKind[]
  readonly shape?: StreetShape
  /** Who the routers are; FRR unless said. */
  readonly routers?: 'bird'
  /** Flows that are counted: those whose ends survive. All unless said. */
  readonly counts?: (flow: string) => boolean
  /** Over when all is as it should be. */
  readonly act: (street: Street, kind: NodeKind) => Promise<void>
}

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

const BOTH: readonly NodeKind[] = ['godwit', 'bird']
const PAIR = [1, 2] as const
/** All but what begins or ends on the second node alone. */
const withoutSecond = (flow: string): boolean => !flow.includes('pod 2')

const routerOf = (street: Street, number: number) => {
  const router = street.routers[number]
  if (router === undefined) throw new Error(`no router ${number}`)
  return router
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "a node's speaker killed, started again after 5 s",
    kinds: BOTH,
    async act(street, kind) {
      await street.kill(1, kind)
      await pause(5)
      await street.start(1, kind)
      await quiet(street, PAIR)
    },
  },
  {
    name: 'speakers upgraded, one node after the other, 10 s each',
    kinds: BOTH,
    async act(street, kind) {
      for (const number of PAIR) {
        await street.stop(number, kind)
        await pause(10)
        await street.start(number, kind)
        await quiet(street, PAIR)
      }
    },
  },
  {
    name: 'a node lost (power)',
    kinds: BOTH,
    counts: withoutSecond,
    async act(street) {
      await street.silence(street.node(2).host, ['up1', 'up2', 'pod0'])
      await street.until(0, 2, (line) => line === undefined)
    },
  },
  {
    name: "a node's cable pulled",
    kinds: BOTH,
    async act(street) {
      await ip(routerOf(street, 1).host, ['link set node-1 down'])
      await street.until(1, 1, (line) => line?.includes(' dev core') === true)
    },
  },
  {
    name: "a node's cable passes nothing, but has a carrier",
    kinds: BOTH,
    act: cableDead,
  },
  {
    name: "a router's BGP daemon killed, started again after 5 s",
    kinds: BOTH,
    act: restartRouter,
  },
  {
    name: 'a router lost (power)',
    kinds: BOTH,
    act: routerLost,
  },
  {
    name: "a router's BGP daemon stands still for 15 s (SIGSTOP)",
    kinds: BOTH,
    async act(street) {
      await street.freeze(1, 'SIGSTOP')
      await pause(15)
      await street.freeze(1, 'SIGCONT')
      await quiet(street, PAIR)
    },
  },
  {
    name: "a router's BGP daemon killed, started again after 5 s; routers are BIRD",
    kinds: BOTH,
    routers: 'bird',
    act: restartRouter,
  },
  {
    name: "a node's speaker killed, started again after 5 s; with BFD",
    kinds: BOTH,
    shape: { bfd: true },
    async act(street, kind) {
      await street.kill(1, kind)
      await pause(5)
      await street.start(1, kind)
      await quiet(street, PAIR)
    },
  },
  {
    name: "a node's cable passes nothing, but has a carrier; with BFD",
    kinds: BOTH,
    shape: { bfd: true },
    act: cableDead,
  },
  {
    name: 'a router lost (power); with BFD',
    kinds: BOTH,
    shape: { bfd: true },
    act: routerLost,
  },
  {
    name: 'one of two reflectors lost (power)',
    kinds: BOTH,
    shape: { reflectors: true },
    async act(street) {
      const [reflector] = street.reflectors
      if (reflector === undefined) throw new Error('no reflector')
      await street.silence(reflector, ['eth0'])
      await street.podsLeave(1, 2, 'up1')
      await street.podsLeave(2, 1, 'up1')
    },
  },
  {
    name: 'passwords changed, one router after the other',
    kinds: BOTH,
    shape: { keys: ['sardine-1', 'sardine-2'] },
    act: changeKeys,
  },
  {
    name: 'passwords changed, one router after the other; routers are BIRD',
    kinds: BOTH,
    shape: { keys: ['sardine-1', 'sardine-2'] },
    routers: 'bird',
    act: changeKeys,
  },
  {
    name: 'passwords changed, one router after the other, each drained meanwhile',
    kinds: ['godwit'],
    shape: { keys: ['sardine-1', 'sardine-2'] },
    act: changeKeysDrained,
  },
  {
    name: 'passwords changed, one router after the other, each drained meanwhile; routers are BIRD',
    kinds: ['godwit'],
    shape: { keys: ['sardine-1', 'sardine-2'] },
    routers: 'bird',
    act: changeKeysDrained,
  },
  {
    name: 'a filter changed on all nodes',
    kinds: BOTH,
    async act(street, kind) {
      for (const number of PAIR) await street.changeFilter(number, kind)
      await pause(3)
      await quiet(street, PAIR)
    },
  },
  {
    name: 'a third node joins',
    kinds: BOTH,
    async act(street, kind) {
      await street.putNode(3)
      await street.start(3, kind)
      await quiet(street, NUMBERS)
    },
  },
  {
    name: 'moved from BIRD to Godwit, one node after the other',
    kinds: ['bird'],
    act: (street) => moveFrom(street, 'bird'),
  },
  {
    name: 'moved back from Godwit to BIRD',
    kinds: ['godwit'],
    act: moveBack,
  },
]

/** All is told, and what was put off for a while is over. */
const quiet = async (street: Street, numbers: Parameters<Street['settled']>[0]): Promise<void> => {
  await street.settled(numbers)
  await pause(5)
}

async function cableDead(street: Street): Promise<void> {
  await street.silence(street.node(1).host, ['up1'])
  await street.until(1, 1, (line) => line?.includes(' dev core') === true)
}

async function restartRouter(street: Street): Promise<void> {
  const router = routerOf(street, 1)
  await router.kill()
  await pause(5)
  await router.restart()
  await street.recovered(1)
  await quiet(street, PAIR)
}

async function routerLost(street: Street): Promise<void> {
  await street.silence(routerOf(street, 1).host, ['rack', 'node-1', 'node-2', 'node-3', 'core'])
  for (const number of PAIR) await street.until(0, number, (line) => line?.includes('router-1') === false)
  for (const number of PAIR) await street.nodeLeaves(number, 'up1')
}

async function changeKeys(street: Street, kind: NodeKind): Promise<void> {
  for (const router of PAIR) {
    await street.changeKey(router, kind, `halibut-${router}`)
    await quiet(street, PAIR)
  }
}

/** As for any maintenance of a router: `godwit drain` on each node, and `undrain`. */
export async function changeKeysDrained(street: Street): Promise<void> {
  for (const router of PAIR) {
    for (const number of PAIR) await street.drain(number, router, 'drain')
    await pause(3)
    await street.changeKey(router, 'godwit', `halibut-${router}`)
    await street.sessionsUp(PAIR)
    await pause(3)
    for (const number of PAIR) await street.drain(number, router, 'undrain')
    await quiet(street, PAIR)
  }
}

/** Of the speaker before us. */
const noneLeft = (street: Street, number: (typeof PAIR)[number], protocol: number): Promise<void> =>
  eventually(
    async () => {
      const { host } = street.node(number)
      const left = await kernelRoutes(host, protocol)
      expect(left.length === 0, `${host.name} still has ${left.slice(0, 3).join('; ')}`)
    },
    { within: 150_000, every: 1_000 },
  )

const LEFT = { bird: { adopt: 'bird', protocol: 12 }, frr: { adopt: 'zebra', protocol: 186 } } as const

/** deploy/README.md, "To move from Calico's BGP": the speaker ends without a farewell, and an agent takes over what it left. */
export async function moveFrom(street: Street, kind: keyof typeof LEFT): Promise<void> {
  const { adopt, protocol } = LEFT[kind]
  for (const number of PAIR) {
    await street.kill(number, kind)
    await street.start(number, 'godwit', street.adopting(number, adopt))
    await quiet(street, PAIR)
    await noneLeft(street, number, protocol)
  }
}

/** And back: BIRD's routes come to stand before ours, which then may go. */
export async function moveBack(street: Street): Promise<void> {
  for (const number of PAIR) {
    const { host } = street.node(number)
    await street.kill(number, 'godwit')
    await street.start(number, 'bird')
    await street.settled(PAIR)
    await eventually(async () => {
      const theirs = await kernelRoutes(host, LEFT.bird.protocol)
      expect(theirs.length >= 4, `BIRD on ${host.name} has ${theirs.length} routes`)
    })
    for (const flag of ['-4', '-6']) await host.must(['ip', flag, 'route', 'flush', 'proto', `${GODWIT}`])
    await quiet(street, PAIR)
  }
}
