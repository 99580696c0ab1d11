// The attacks. Each begins, goes on for as long as a good neighbor's changes are measured, and ends; what it left is gone before the
// next one begins.

import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Daemon } from '../lab/run.ts'
import { type Kind, limitDescriptors, type Scene, said } from './scene.ts'

export interface Attack {
  readonly name: string
  readonly kinds: readonly Kind[]
  /** It is made of routes. */
  readonly routes?: boolean
  /** It has begun; the answer ends it. `isQuick`: a tenth or less. */
  start(scene: Scene, isQuick: boolean): Promise<() => Promise<void>>
}

const BOTH: readonly Kind[] = ['godwit', 'bird']
const OURS: readonly Kind[] = ['godwit']

/** Some work for long before they begin, and nothing on this machine comes after them. */
const READY = 180_000

const begun = async (...daemons: readonly Daemon[]): Promise<() => Promise<void>> => {
  for (const daemon of daemons) await said(daemon, 'up', READY)
  return async () => {
    for (const daemon of daemons) await daemon.kill()
  }
}

/** 1 MiB with 20,000 keys, of a kind that nobody reads; the same of one that is read; what is deep, and what refers to itself. */
const hostile = (): ReadonlyMap<string, string> => {
  const keys = Array.from({ length: 20_000 }, (_, index) => `  key-${index}: "${'x'.repeat(36)}"`).join('\n')
  const head = (kind: string, version = 'v1') => `apiVersion: ${version}\nkind: ${kind}\nmetadata:\n  name: hostile\n`
  const aliases = Array.from({ length: 20 }, (_, index) => {
    const before = index === 0 ? 'x' : Array.from({ length: 10 }, () => `*a${index - 1}`).join(', ')
    return `  l${index}: &a${index} [${before}]`
  })
  return new Map([
    ['keys.yaml', `${head('ConfigMap')}data:\n${keys}\n`],
    ['ours.yaml', `${head('BGPPeer', 'godwit.dev/v1')}spec:\n${keys}\n`],
    ['deep.yaml', `${head('BGPFilter', 'godwit.dev/v1')}spec: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`],
    ['aliases.yaml', `${head('BGPFilter', 'godwit.dev/v1')}spec:\n${aliases.join('\n')}\n`],
    ['half.yaml', `${head('IPPool', 'godwit.dev/v1')}spec: "${'y'.repeat(1_000_000)}`],
  ])
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'one neighbor changes 20,000 routes as fast as it can',
    kinds: BOTH,
    routes: true,
    start: async (scene) => begun(scene.villain('flood')),
  },
  {
    name: 'the same, beside a neighbor that does not read',
    kinds: BOTH,
    routes: true,
    start: async (scene) => begun(scene.villain('deaf', 0, 'deaf'), scene.villain('flood')),
  },
  {
    name: 'attribute blocks and prefixes that collide in unkeyed hashes',
    kinds: BOTH,
    routes: true,
    start: async (scene, isQuick) => begun(scene.villain('collide', isQuick ? 8_000 : 40_000)),
  },
  {
    name: 'routes with 3.6 KB of communities each',
    kinds: BOTH,
    routes: true,
    start: async (scene, isQuick) => begun(scene.villain('memory', isQuick ? 5_000 : 37_000)),
  },
  {
    name: 'SYNs from forged addresses',
    kinds: BOTH,
    start: async (scene, isQuick) =>
      begun(scene.intruder(scene.stranger, 'syn', scene.host.ipv4, `${isQuick ? 20_000 : 200_000}`)),
  },
  {
    name: 'connections of a stranger',
    kinds: BOTH,
    start: async (scene, isQuick) =>
      begun(scene.intruder(scene.stranger, 'connect', scene.host.ipv4, `${isQuick ? 10_000 : 100_000}`)),
  },
  {
    name: 'a thousand connections of a neighbor that never says OPEN',
    kinds: BOTH,
    start: async (scene) => begun(scene.villain('calls')),
  },
  {
    name: 'BFD packets of a stranger',
    kinds: BOTH,
    start: async (scene, isQuick) =>
      begun(scene.intruder(scene.stranger, 'bfd', scene.host.ipv4, `${isQuick ? 50_000 : 1_000_000}`)),
  },
  {
    name: 'a hundred clients that ask for all and read nothing',
    kinds: BOTH,
    start: async (scene) => begun(scene.intruder(scene.host, 'clients', scene.subject.control, 'show route all')),
  },
  {
    name: 'half HTTP requests, and answers that nobody reads',
    kinds: OURS,
    start: async (scene) => begun(scene.intruder(scene.stranger, 'http', scene.host.ipv4, '9179')),
  },
  {
    name: 'four descriptors left, and connections and clients that want more',
    kinds: BOTH,
    start: async (scene) => {
      await limitDescriptors(scene.subject.pid, scene.descriptors + 4)
      const end = await begun(
        scene.intruder(scene.stranger, 'connect', scene.host.ipv4, '1000000'),
        scene.intruder(scene.host, 'clients', scene.subject.control, 'show status'),
      )
      return async () => {
        await end()
        await limitDescriptors(scene.subject.pid, 1_024)
      }
    },
  },
  {
    name: 'objects of 1 MB with 20,000 keys, deep ones, aliases of aliases, half a file',
    kinds: OURS,
    start: async (scene) => {
      const folder = scene.subject.manifests?.directory ?? ''
      const files = hostile()
      let isOver = false
      const write = async (): Promise<void> => {
        for (let round = 0; !isOver; round++) {
          for (const [name, text] of files) await writeFile(join(folder, name), `# ${round}\n${text}`)
          await new Promise((resolve) => setTimeout(resolve, 1_000))
        }
      }
      const writing = write()
      return async () => {
        isOver = true
        await writing
        for (const name of files.keys()) await rm(join(folder, name))
      }
    },
  },
]
