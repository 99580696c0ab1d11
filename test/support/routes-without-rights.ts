/** A process of its own, since rights are given away for good: two routes that the kernel refuses, and what it shows. */
import { MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { Rtnetlink } from '../../src/edge/kernel/rtnetlink.ts'
import type { Input } from '../../src/engine/input.ts'
import { ownRoute } from './fake-kernel.ts'

const inputs: Input[] = []
const rtnetlink = new Rtnetlink({ feed: (input) => inputs.push(input), table: MAIN_TABLE })
await rtnetlink.open()
const applied = new Promise<void>((resolve) => {
  const changes = ['10.1.0.0/24', 'fd00:1::/64'].map((text) => ({ action: 'add', route: ownRoute(text) }) as const)
  rtnetlink.perform({ kind: 'routes', seq: 1, changes })
  setInterval(() => {
    if (inputs.some(({ kind }) => kind === 'applied')) resolve()
  }, 1).unref()
})
const alive = setTimeout(() => {}, 5_000)
await applied
clearTimeout(alive)
await rtnetlink.stop()
const failed = inputs.flatMap((input) => (input.kind === 'applied' ? input.failed : []))
const found = inputs.flatMap((input) => (input.kind === 'kernel' ? input.change.present : []))
process.stdout.write(JSON.stringify({ failed, found: found.map(({ prefix }) => prefix.text) }))
