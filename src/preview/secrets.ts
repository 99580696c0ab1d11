/**
 * Secrets that an agent would not find. A missing one is no error here: the objects that are checked need not hold it. But
 * the agent holds a neighbor without its key down.
 */
import { keysOf, type Problem } from '../cluster/intent.ts'
import type { SecretKeyRef } from '../cluster/objects.ts'
import { MESH_FIELDS, PEER_FIELDS } from '../cluster/parse/protection.ts'
import { makeProblem } from '../cluster/problem.ts'
import type { ObjectStore } from '../cluster/store.ts'

/** `namespace`: of the agents. */
export function secretProblems(store: ObjectStore, namespace: string): Problem[] {
  const mesh = store.get('BGPConfiguration', 'default')?.meshSigning
  const all = [
    { object: 'BGPConfiguration/default', signing: mesh, fields: MESH_FIELDS, what: 'the mesh' },
    ...[...store.table('BGPPeer').values()].map(({ name, signing }) => {
      return { object: `BGPPeer/${name}`, signing, fields: PEER_FIELDS, what: 'the peer' }
    }),
  ]
  return all.flatMap(({ object, signing, fields, what }) => {
    const field = `spec.${signing?.kind === 'md5' ? fields.password : fields.keyChain}`
    return keysOf(signing).flatMap((ref) => {
      const why = whyNotFound(store, ref, namespace)
      if (why === undefined) return []
      const says = `${why}; without it ${what} does not start`
      return [makeProblem({ code: 'peer-key-unseen', object, field, says, level: 'warning' })]
    })
  })
}

function whyNotFound(store: ObjectStore, { name }: SecretKeyRef, namespace: string): string | undefined {
  const places = [...store.table('Secret').keys()]
  if (places.includes(`${namespace}/${name}`)) return undefined
  const other = places.find((place) => place.endsWith(`/${name}`))
  if (other !== undefined) return `Secret/${other} is not in the namespace of the agents, which is ${namespace}`
  // Among others, a missing one is an error of each node that reads it.
  return places.length > 0 ? undefined : `no Secret/${namespace}/${name} is among these objects`
}
