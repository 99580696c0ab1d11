// The agent is killed, is away for a minute, and gets another configuration: the router's kernel changes no route.

import { readFile } from 'node:fs/promises'
import type { Process } from '../lab/lab.ts'
import { eventually, throughout } from '../lab/wait.ts'
import { bfdUp, bgpUp, FAST, peers, type Scene, start, startBfd } from './bfd.ts'
import { type Case, expect } from './case.ts'

/** An image that is pulled, and a pod that is scheduled anew. */
const AWAY = 60_000
/** What belongs to the node. */
const OURS = /\b(10\.244\.1\.0\/24|fd00:244:1::\/64)\b/

/** What the router's kernel changes of our routes, from now on. */
class KernelWatch {
  private readonly process: Process

  constructor({ router: { host } }: Scene) {
    this.process = host.start('monitor', ['ip', 'monitor', 'route'])
  }

  async changes(): Promise<readonly string[]> {
    return (await readFile(this.process.log, 'utf8')).split('\n').filter((line) => OURS.test(line))
  }

  async expectNone(after: string): Promise<void> {
    const changes = await this.changes()
    expect(changes.length === 0, `the router's kernel has changed, ${after}: ${changes.join('; ')}`)
  }
}

const inKernel = async ({ router: { host } }: Scene): Promise<void> =>
  eventually(async () => {
    const routes = [await host.must(['ip', 'route']), await host.must(['ip', '-6', 'route'])].join('\n')
    const found = routes.split('\n').filter((line) => OURS.test(line)).length
    expect(found === 2, `${found} of 2 routes are in the router's kernel: ${routes}`)
  })

const unseen = (apart: boolean): Case => ({
  name: `upgrade: ${apart ? 'beside its BFD process, ' : ''}the agent is killed, away for a minute and changed, and the router's kernel sees nothing`,
  speakers: ['frr', 'bird'],
  limit: 240_000,
  async run({ lab, speaker }) {
    const scene = await start(lab, speaker, { kernel: true, apart, without: !apart, ...(apart && { bfd: FAST }) })
    const { agent, manifests, router, node } = scene
    if (apart) startBfd(node)
    const settled = async () => {
      await bgpUp(scene)
      if (apart) await bfdUp(scene, 'single')
    }
    await settled()
    await inKernel(scene)
    const watch = new KernelWatch(scene)
    const quiet = (after: string) => throughout(8_000, () => watch.expectNone(after))

    await agent.kill()
    await agent.start()
    await settled()
    await quiet('the agent being killed')

    await agent.stop()
    await throughout(AWAY, () => watch.expectNone('the agent being away'))
    await agent.start()
    await settled()
    await quiet('the agent being back')

    const before = await bgpUp(scene)
    await manifests.put(
      ...peers(router.host, apart ? { ...FAST, transmitInterval: 200 } : undefined, {
        holdTime: '30s',
        maxPrefixes: { ipv4: 50 },
      }),
    )
    await quiet('its configuration being changed')
    expect((await bgpUp(scene)) === before, 'a session was made anew for a configuration that needs none')
    // It would have seen one.
    await agent.leave()
    await eventually(async () => expect((await watch.changes()).length >= 2, 'the end of the routes was not seen'))
  },
})

export const cases: readonly Case[] = [unseen(false), unseen(true)]
