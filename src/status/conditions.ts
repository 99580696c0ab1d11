/** The state of this node as Kubernetes conditions. */
import type { Problem } from '../cluster/intent.ts'
import type { View } from '../show/view.ts'
import { shown } from './bounds.ts'
import type { Condition, SessionSum } from './node-status.ts'

export const READY = 'Ready'

export function nodeConditions(view: View, sessions: SessionSum): readonly Condition[] {
  const errors = view.problems().filter(({ level }) => level === undefined)
  const { stage, reason, staying } = view.leaving()
  return [
    readiness(view, sessions),
    {
      type: 'Configured',
      ...(errors.length === 0
        ? ({ status: 'True', reason: 'NoErrors', message: '' } as const)
        : ({ status: 'False', reason: 'Errors', message: errorTexts(errors) } as const)),
    },
    {
      type: 'Leaving',
      ...(stage === 'here'
        ? ({ status: 'False', ...whyHere(staying) } as const)
        : ({ status: 'True', reason: 'Leaving', message: shown(`${stage}: ${reason}`) } as const)),
    },
  ]
}

const whyHere = (staying: string | undefined) =>
  staying === undefined
    ? ({ reason: 'Advertising', message: '' } as const)
    : ({ reason: 'CancelledByHand', message: shown(`cancelled by hand, although ${staying}`) } as const)

/** Whether neighbors know this node. `/readyz` asks another question: whether the agent does what it should. */
function readiness(view: View, { configured, established }: SessionSum): Condition {
  const { source, stopping } = view.status()
  const not = (reason: string, message: string): Condition => ({ type: READY, status: 'False', reason, message })
  if (stopping) return not('Stopping', 'the agent is stopping')
  if (!source.synced) return not('ObjectsNotRead', 'the objects have not all been read')
  const { stage, reason: why } = view.leaving()
  if (stage !== 'here') return not('Leaving', shown(`${stage}: ${why}`))
  if (configured > 0 && established === 0) return not('NoSession', 'no session is Established')
  const reason = configured === 0 ? 'NoSessionConfigured' : 'Established'
  return { type: READY, status: 'True', reason, message: '' }
}

const errorTexts = (errors: readonly Problem[]): string => {
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return `${shown(errors[0]?.text ?? '')}${more}`
}
