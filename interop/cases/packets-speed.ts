// iperf3 from pod to pod across racks, by our routes and by static ones. Both numbers are printed, none is required: what
// must hold is that packets flow while our agents cannot do anything.

import { FAMILIES, type Family } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { FABRIC_LIMIT, Fabric, GODWIT, needs, podCidr } from './fabric.ts'

/** Shorter than the hold time: nobody misses the agents. */
const SECONDS = 3

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

const speed: Case = {
  name: 'packets: iperf3 between pods, by our routes and by static ones',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'iperf3')
    const fabric = await Fabric.build(bench)
    const [one, three] = [await fabric.pod(1), await fabric.pod(3)]
    three.host.start('iperf3', ['iperf3', '-s'])
    const pids = fabric.nodes.map(({ agent }) => agent.pid)
    for (const family of FAMILIES) {
      await eventually(() => three.host.must(['bash', '-c', `exec 3<>/dev/tcp/${three[family]}/5201`]))
      for (const pid of pids) process.kill(pid, 'SIGSTOP')
      const learned = await measure(one, three, family).finally(() => {
        for (const pid of pids) process.kill(pid, 'SIGCONT')
      })
      expect(learned > 0, `nothing came through over ${family} while the agents stood still`)
      await fabric.settled()
      const unpin = await pin(fabric, family)
      const fixed = await measure(one, three, family)
      expect(fixed > 0, `nothing came through over ${family} by static routes`)
      await unpin()
      await fabric.settled()
      console.log(
        `      iperf3 over ${family}: ${learned.toFixed(2)} Gbit/s by BGP, ${fixed.toFixed(2)} by static routes`,
      )
    }
  },
}

export const cases: readonly Case[] = [speed]
