/**
 * Our own fields on Calico's kinds. In Calico's API groups each of them is an annotation, since the API drops unknown fields:
 * `godwit.dev/holdTime: "30"`.
 */
import type { Findings } from '../problem.ts'
import { Fields } from './fields.ts'
import { annotationPath } from './node.ts'

const PREFIX = 'godwit.dev/'

/** The spec with our annotations added as fields; a field of the spec itself takes precedence. */
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

/** Numbers, booleans, lists and objects are JSON; any other text is the value itself. */
function readAnnotation(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
