/** Objects that a list has more than once, such as manifests in two files: the first by place is used. */
import { CostMeter, type Work } from '../base/work.ts'
import type { Problem } from './intent.ts'
import { objectKey, objectName } from './objects.ts'
import { makeProblem } from './problem.ts'
import type { ObjectChange } from './source.ts'

export type Upsert = Extract<ObjectChange, { kind: 'replace' }>['objects'][number]

/** Approximate cost in microseconds to look an object up. */
export const LOOK_COST = 0.5

/** `used`: each object once, by its key. */
export function* dropDuplicates(
  objects: readonly Upsert[],
): Work<{ readonly used: ReadonlyMap<string, Upsert>; readonly duplicates: readonly Problem[] }> {
  const used = new Map<string, Upsert>()
  const others: Upsert[] = []
  const meter = new CostMeter()
  for (const upsert of objects) {
    const key = objectKey(upsert.ref)
    const known = used.get(key)
    const isFirst = known === undefined || comparePlaces(upsert.from, known.from) < 0
    if (isFirst) used.set(key, upsert)
    if (known !== undefined) others.push(isFirst ? known : upsert)
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
  }
  const inOrder = others.sort((a, b) => comparePlaces(a.from, b.from))
  const duplicates = inOrder.map((other) => duplicateProblem(other, used.get(objectKey(other.ref)) ?? other))
  return { used, duplicates }
}

function duplicateProblem({ ref, from }: Upsert, used: Upsert): Problem {
  const says = `is defined a second time in ${from ?? 'the same list'}; ${used.from === undefined ? 'the first definition' : `the definition in ${used.from}`} is used`
  return { ...makeProblem({ code: 'object-duplicate', object: objectName(ref), says }), value: from ?? '' }
}

/** By file name, then by the number of the document: `a.yaml#10` comes after `a.yaml#9`. */
function comparePlaces(a: string | undefined, b: string | undefined): number {
  const [fileA, numberA] = splitPlace(a ?? '')
  const [fileB, numberB] = splitPlace(b ?? '')
  return fileA === fileB ? numberA - numberB : fileA < fileB ? -1 : 1
}

function splitPlace(place: string): [string, number] {
  const hash = place.lastIndexOf('#')
  const number = hash < 0 ? Number.NaN : Number(place.slice(hash + 1))
  return Number.isNaN(number) ? [place, 0] : [place.slice(0, hash), number]
}
