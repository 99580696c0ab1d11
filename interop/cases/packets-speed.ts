// iperf3 from pod to pod across racks, by our routes and by static ones: the kernel takes the same way, with our agents
// standing still, and gets as much through. Runs of both kinds take turns and each pair begins with the other one, so that
// whatever else the machine does meets both; medians are compared.

import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { FABRIC_LIMIT, Fabric, GODWIT, needs, podCidr } from './fabric.ts'

/** Far shorter than the hold time: nobody misses the agents. */
const SECONDS = 1
const PAIRS = 5
/** What the median by our routes may lack: two medians of static routes among themselves differ by up to that here. */
const TOLERANCE = 0.25

interface Report {
  readonly end?: { readonly sum_received?: { readonly bits_per_second?: number } }
}

const measure = async (from: Pod, to: Pod, family: Family): Promise<number> => {
  const text = await from.host.must(['iperf3', '-J', '-t', `${SECONDS}`, '-c', to[family]])
  return ((JSON.parse(text) as Report).end?.sum_received?.bits_per_second ?? 0) / 1e9
}

/** The same ways, written by hand, where ours were; and what takes them away again. */
const pin = async (fabric: Fabric, family: Family): Promise<() => Promise<void>> => {
  const undo: (() => Promise<unknown>)[] = []
  const flag = family === 'ipv4' ? '-4' : '-6'
  for (const [number, far] of [
    [1, 3],
    [3, 1],
  ] as const) {
    const { host, rack } = fabric.node(number)
    const gateway = family === 'ipv4' ? `10.71.${rack}.1` : `fd71:${rack}::1`
    const route = [podCidr(far, family), 'via', gateway, 'proto', 'static', 'metric', '5']
    await host.must(['ip', flag, 'route', 'add', ...route])
    undo.push(() => host.must(['ip', flag, 'route', 'del', ...route]))
    await eventually(async () => {
      const ours = (await kernelRoutes(host, GODWIT)).filter((line) => line.includes(`${podCidr(far, family)} `))
      expect(ours.length === 0, `${host.name}: our route is still beside the static one`)
    })
  }
  return async () => {
    for (const each of undo) await each()
  }
}

/** Where the kernel sends what goes to an address: gateway and interface. */
const wayTo = async (host: Host, address: string): Promise<string> => {
  const [row] = JSON.parse(await host.must(['ip', '-j', 'route', 'get', address])) as {
    gateway?: string
    dev?: string
  }[]
  return `${row?.gateway} ${row?.dev}`
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

/** By our routes, with no process of ours awake. */
const byOurs = async (fabric: Fabric, measured: () => Promise<number>): Promise<number> => {
  const pids = fabric.nodes.map(({ agent }) => agent.pid)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    return await measured()
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
}

const compare = async (fabric: Fabric, [one, three]: readonly [Pod, Pod], family: Family): Promise<void> => {
  const gbits = { ours: [] as number[], fixed: [] as number[] }
  const measured = () => measure(one, three, family)
  const ends = [
    [one, three],
    [three, one],
  ] as const
  const ways = () => Promise.all(ends.map(([from, to]) => wayTo(from.node, to[family])))
  const ours = async (): Promise<void> => {
    await fabric.settled()
    gbits.ours.push(await byOurs(fabric, measured))
  }
  await fabric.settled()
  const learned = await ways()
  const fixed = async (): Promise<void> => {
    const unpin = await pin(fabric, family)
    const pinned = await ways()
    expect(pinned.join() === learned.join(), `static routes go ${pinned.join(', ')}, ours ${learned.join(', ')}`)
    gbits.fixed.push(await measured())
    await unpin()
  }
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const kind of pair % 2 === 0 ? [ours, fixed] : [fixed, ours]) await kind()
  }
  const [by, beside] = [median(gbits.ours), median(gbits.fixed)]
  const words = (list: readonly number[]) => list.map((value) => value.toFixed(1)).join(' ')
  console.log(
    `      iperf3 over ${family}, Gbit/s: ${by.toFixed(2)} by BGP (${words(gbits.ours)}), ${beside.toFixed(2)} by static routes (${words(gbits.fixed)})`,
  )
  expect(Math.min(...gbits.ours, ...gbits.fixed) > 0, `nothing came through over ${family}`)
  expect(
    by >= beside * (1 - TOLERANCE),
    `over ${family} ${by.toFixed(2)} Gbit/s by our routes, ${beside.toFixed(2)} by static ones`,
  )
}

const speed: Case = {
  name: 'packets: iperf3 between pods by our routes and by static ones: the same ways, medians of five within a quarter',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'iperf3')
    const fabric = await Fabric.build(bench)
    const pods = [await fabric.pod(1), await fabric.pod(3)] as const
    const [, three] = pods
    three.host.start('iperf3', ['iperf3', '-s'])
    for (const family of FAMILIES) {
      await eventually(() => three.host.must(['bash', '-c', `exec 3<>/dev/tcp/${three[family]}/5201`]))
      await compare(fabric, pods, family)
    }
  },
}

export const cases: readonly Case[] = [speed]
