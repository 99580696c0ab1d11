/**
 * Fields of our own on kinds of Calico's. In its groups, where the API prunes what it does not know, each is an annotation:
 * `godwit.dev/holdTime: "30"`.
 */
import type { Findings } from '../problem.ts'
import { Fields } from './fields.ts'
import { annotationPath } from './node.ts'

const PREFIX = 'godwit.dev/'

/** The spec with our annotations beside its fields; a field that stands in the spec itself wins. */
export function specWithAdditions(
  object: Record<string, unknown>,
  spec: Record<string, unknown>,
  additions: readonly string[],
  findings: Findings,
): Fields {
  const annotations = new Fields(findings, '', object).record('metadata')?.textMap('annotations') ?? new Map()
  const merged = { ...spec }
  const places = new Map<string, string>()
  for (const [annotation, text] of annotations) {
    if (!annotation.startsWith(PREFIX)) continue
    const field = annotation.slice(PREFIX.length)
    if (!additions.includes(field)) {
      findings.say('field-unknown', annotationPath(annotation), 'is not known; it is ignored')
    } else if (spec[field] === undefined || spec[field] === null) {
      merged[field] = readAnnotation(text)
      places.set(field, annotationPath(annotation))
    }
  }
  return new Fields(findings, 'spec', merged, places)
}

/** Numbers, booleans, lists and objects are written as JSON; everything else is itself. */
function readAnnotation(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
