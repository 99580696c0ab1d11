/** The differences between two readings of all files, as object changes. */
import { isDeepStrictEqual } from 'node:util'
import type { ObjectChange } from '../../cluster/source.ts'
import type { ManifestObject, ManifestProblem } from './file.ts'

/** An error or a warning, and its place. */
export type FileProblem = Pick<ManifestProblem, 'text' | 'level' | 'hides'>

/** `old`, `next`: by the names of objects. */
export function planChanges(
  old: ReadonlyMap<string, ManifestObject>,
  next: ReadonlyMap<string, ManifestObject>,
): ObjectChange[] {
  const changes: ObjectChange[] = []
  for (const [key, { ref }] of old) if (!next.has(key)) changes.push({ kind: 'delete', ref })
  for (const [key, object] of next) {
    if (!isSame(old.get(key), object)) changes.push({ kind: 'upsert', ...object })
  }
  return changes
}

function isSame(old: ManifestObject | undefined, next: ManifestObject): boolean {
  if (old === next) return true
  try {
    return old?.from === next.from && isDeepStrictEqual(old.object, next.object)
  } catch {
    // Nested too deep to compare.
    return false
  }
}

/** `old`, `next`: by the place of the problem. */
export function planProblems(
  old: ReadonlyMap<string, FileProblem>,
  next: ReadonlyMap<string, FileProblem>,
): ObjectChange[] {
  const changes: ObjectChange[] = []
  for (const at of old.keys()) if (!next.has(at)) changes.push({ kind: 'source-problem', at, text: undefined })
  for (const [at, problem] of next) {
    if (isSameProblem(old.get(at), problem)) continue
    const { text, level, hides = [] } = problem
    changes.push({ kind: 'source-problem', at, text, ...(level && { level }), ...(hides.length > 0 && { hides }) })
  }
  return changes
}

/** Calico shows an object in two API groups: a dump of both has it twice. */
export function isShownTwice({ object: a }: ManifestObject, { object: b }: ManifestObject): boolean {
  const [one, other] = [a, b] as readonly { readonly apiVersion?: unknown; readonly spec?: unknown }[]
  try {
    return one?.apiVersion !== other?.apiVersion && isDeepStrictEqual(one?.spec, other?.spec)
  } catch {
    // Nested too deep to compare.
    return false
  }
}

const isSameProblem = (old: FileProblem | undefined, { text, level, hides = [] }: FileProblem): boolean =>
  old?.text === text && old.level === level && (old.hides ?? []).join() === hides.join()
