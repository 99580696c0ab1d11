/** The folder of manifests passes the rows of every source. */
import { mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Manifests } from '../../src/edge/manifests/source.ts'
import type { Manifest } from '../support/api-server/store.ts'
import { describeSource, KINDS } from './source.ts'

describeSource('a folder of manifests', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-contract-'))
  const fileOf = ({ kind, metadata }: Manifest) =>
    join(directory, `${kind}-${metadata.namespace ?? ''}-${metadata.name}`)
  return {
    kinds: [...KINDS, 'Pod', 'Secret'].sort(),
    apply: async (manifest) => {
      await writeFile(`${fileOf(manifest)}.tmp`, stringify(manifest))
      await rename(`${fileOf(manifest)}.tmp`, `${fileOf(manifest)}.yaml`)
    },
    remove: (manifest) => unlink(`${fileOf(manifest)}.yaml`),
    open: async (known) => new Manifests({ directory, apiGroup: 'godwit.dev', feed: known.feed, quiet: 15 }),
    close: () => rm(directory, { recursive: true }),
  }
})
