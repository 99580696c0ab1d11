/** Calico's `FelixConfiguration`: all of it is about Calico's own dataplane but for one field, which says what ours says. */
import { SERVICE_LOOP_PREVENTIONS } from '../intent.ts'
import type { FelixObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields } from './fields.ts'

export function parseFelix(object: Record<string, unknown>, _ref: ObjectRef, findings: Findings): FelixObject {
  const spec = new Fields(findings, '', object).record('spec')
  return { serviceLoopPrevention: spec?.oneOf('serviceLoopPrevention', SERVICE_LOOP_PREVENTIONS) }
}
