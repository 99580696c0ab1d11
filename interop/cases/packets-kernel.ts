// What stands in the kernel: untouched while the agent dies and comes back, repaired where somebody breaks it, and
// nobody else's.

import { readFile } from 'node:fs/promises'
import type { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { soon } from '../lab/soon.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { DUAL, FABRIC_LIMIT, Fabric, type FabricNode, GODWIT, needs, podCidr, pool } from './fabric.ts'

const TABLE = ['list', 'table', 'inet', 'godwit']

const natRules = async (host: Host): Promise<string> =>
  (await host.must(['nft', '-s', ...TABLE])).replaceAll(/ counter packets \d+ bytes \d+/g, '')

/** Lines about us, of `ip monitor` and `nft monitor`, from now on. */
const listen = async (host: Host): Promise<() => Promise<readonly string[]>> => {
  const routes = host.start('ip-monitor', ['ip', '-o', 'monitor', 'route'])
  const rules = host.start('nft-monitor', ['nft', 'monitor'])
  // Both are heard once they speak: of a route and a table that are somebody else's.
  await eventually(async () => {
    await host.run(['ip', 'route', 'replace', 'blackhole', '192.0.2.99', 'proto', '99'])
    await host.run(['ip', 'route', 'del', 'blackhole', '192.0.2.99', 'proto', '99'])
    await host.run(['nft', 'add', 'table', 'inet', 'bell'])
    await host.run(['nft', 'delete', 'table', 'inet', 'bell'])
    expect((await readFile(routes.log, 'utf8')).includes('192.0.2.99'), 'ip monitor does not speak')
    expect((await readFile(rules.log, 'utf8')).includes('bell'), 'nft monitor does not speak')
  })
  return async () => {
    const heardRoutes = (await readFile(routes.log, 'utf8'))
      .split('\n')
      .filter((line) => line.includes(`proto ${GODWIT}`))
    const heardRules = (await readFile(rules.log, 'utf8')).split('\n').filter((line) => line.includes('godwit'))
    return [...heardRoutes, ...heardRules]
  }
}

const settledNat = (host: Host): Promise<void> =>
  eventually(async () => {
    const rules = await natRules(host)
    for (const family of ['pods-v4', 'pods-v6']) expect(rules.includes(`IPPool/${family}`), `no NAT rule of ${family}`)
  })

/**
 * What is left of the run before has been swept, and nothing was: FRR 8.4 sends no End-of-RIB here, so the agent takes the
 * first pause of each neighbor for it.
 */
const swept = ({ log }: Agent): Promise<void> =>
  eventually(
    async () => {
      const text = await readFile(log, 'utf8')
      const [, , thisRun = ''] = text.split('"code":"starting"')
      expect(thisRun.includes('"code":"kernel-swept"'), 'the agent has not swept after its restart')
    },
    { within: 60_000, every: 500 },
  )

const restart: Case = {
  name: 'packets: the agent killed and started again changes no kernel route and no NAT rule',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench)
    await fabric.manifests.put(...FAMILIES.map((family) => pool(family, { natOutgoing: true })))
    const { host, agent } = fabric.node(1)
    await settledNat(host)
    const routes = await kernelRoutes(host, GODWIT)
    const rules = await natRules(host)
    const heard = await listen(host)
    await agent.kill()
    await agent.start()
    await eventually(
      async () => {
        const all = await agent.protocols()
        expect(all.length > 0 && all.every(({ state }) => state === 'Established'), 'not all sessions are up again')
      },
      { within: 60_000, every: 500 },
    )
    await fabric.settled()
    await swept(agent)
    await throughout(2_000, async () => {
      const words = await heard()
      expect(words.length === 0, `heard from the kernel: ${words.slice(0, 5).join('; ')}`)
    })
    expect((await kernelRoutes(host, GODWIT)).join('\n') === routes.join('\n'), 'the kernel routes are others')
    expect((await natRules(host)) === rules, 'the NAT rules are others')
  },
}

const has = async (host: Host, prefix: string, wanted = true): Promise<void> => {
  const routes = await kernelRoutes(host, GODWIT)
  const found = routes.some((line) => line.includes(`${prefix} `))
  expect(found === wanted, `${host.name} has ${found ? 'our' : 'no'} route to ${prefix}`)
}

const repair = async ({ host }: FabricNode, family: Family): Promise<void> => {
  const flag = family === 'ipv4' ? '-4' : '-6'
  const far = podCidr(3, family)
  const own = podCidr(1, family)
  const remove = (words: readonly string[]) => host.must(['ip', flag, 'route', 'del', ...words, 'proto', `${GODWIT}`])
  await soon(
    `a deleted route to ${far}`,
    () => remove([far]),
    () => has(host, far),
  )
  await soon(
    `a deleted blackhole of ${own}`,
    () => remove(['blackhole', own]),
    () => has(host, own),
  )
}

/** Somebody else's route to the pods of another node: ours gives way, theirs stays, and both are named. */
const giveWay = async ({ host, agent }: FabricNode, family: Family): Promise<void> => {
  const flag = family === 'ipv4' ? '-4' : '-6'
  const far = podCidr(3, family)
  const gateway = family === 'ipv4' ? '10.71.1.1' : 'fd71:1::1'
  const foreign = [far, 'via', gateway, 'proto', 'static', 'metric', '77']
  const theirs = async () => (await kernelRoutes(host, 'static')).filter((line) => line.includes(`${far} `)).join()
  await host.must(['ip', flag, 'route', 'add', ...foreign])
  const before = await theirs()
  expect(before !== '', 'the foreign route is not there')
  await eventually(() => has(host, far, false), { within: 10_000 })
  await eventually(async () => {
    const text = JSON.stringify(await agent.show('services'))
    for (const word of [far, 'a static route', 'Godwit']) expect(text.includes(word), `the problems shown lack ${word}`)
  })
  expect((await theirs()) === before, 'the foreign route was touched')
  await host.must(['ip', flag, 'route', 'del', ...foreign])
  await eventually(() => has(host, far), { within: 10_000 })
}

const keep: Case = {
  name: 'packets: a route deleted by hand comes back, a foreign one is left alone and named',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench, DUAL)
    await fabric.manifests.put(...FAMILIES.map((family) => pool(family, { natOutgoing: true })))
    const node = fabric.node(1)
    await settledNat(node.host)
    const rules = await natRules(node.host)
    for (const family of FAMILIES) {
      await repair(node, family)
      await giveWay(node, family)
    }
    await soon(
      'the deleted NAT table',
      () => node.host.must(['nft', 'delete', 'table', 'inet', 'godwit']),
      async () => expect((await natRules(node.host)) === rules, 'the NAT rules are others'),
    )
  },
}

export const cases: readonly Case[] = [restart, keep]
