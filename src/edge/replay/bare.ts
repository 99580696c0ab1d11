/**
 * Removes from inputs what might be a key, before they are written to a file. The engine never has the keys of Secrets.
 */
import { annotationWithoutKeys, withoutKeys } from '../../cluster/kept-fields.ts'
import { isRecord } from '../../cluster/parse/fields.ts'
import type { ObjectChange } from '../../cluster/source.ts'
import type { Input } from '../../engine/input.ts'

export function bareInput(input: Input): Input {
  if (input.kind === 'objects') return { ...input, changes: input.changes.map(bareChange) }
  if (input.kind !== 'remembered') return input
  return { ...input, objects: input.objects.map((kept) => ({ ...kept, object: bareObject(kept.object) })) }
}

function bareChange(change: ObjectChange): ObjectChange {
  if (change.kind === 'upsert') return { ...change, object: bareObject(change.object) }
  if (change.kind !== 'replace') return change
  return { ...change, objects: change.objects.map((one) => ({ ...one, object: bareObject(one.object) })) }
}

/** kubectl's copy of the applied object. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

function bareObject(object: unknown): unknown {
  if (!isRecord(object)) return object
  const { metadata, spec, ...rest } = object
  return {
    ...withoutKeys(rest),
    metadata: isRecord(metadata) ? bareMetadata(metadata) : metadata,
    ...(spec !== undefined && { spec: isRecord(spec) ? withoutKeys(spec) : spec }),
  }
}

function bareMetadata({ annotations, managedFields: _, ...rest }: Record<string, unknown>): Record<string, unknown> {
  if (!isRecord(annotations)) return rest
  const { [LAST_APPLIED]: __, ...others } = annotations
  const texts = Object.entries(others).map(([key, text]) => [key, annotationWithoutKeys(key, text)])
  return { ...rest, annotations: Object.fromEntries(texts) }
}
