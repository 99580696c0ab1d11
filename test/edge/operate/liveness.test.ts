/** Whether the kubelet may have given this agent up. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { Liveness } from '../../../src/edge/operate/liveness.ts'

/** Seconds from the last good probe until the kubelet ends the container, at the earliest. */
function patience(): number {
  const text = readFileSync(new URL('../../../deploy/daemonset.yaml', import.meta.url), 'utf8')
  const [daemonSet] = parseAllDocuments(text).map((document) => document.toJS())
  const { periodSeconds, failureThreshold } = daemonSet.spec.template.spec.containers[0].livenessProbe
  return periodSeconds * failureThreshold
}

test('who answers its probes is not in doubt, and who stops is so before the kubelet gives up', () => {
  let now = 1_000
  const liveness = new Liveness(() => now)
  for (let period = 0; period < 5; period++) {
    now += 10_000
    expect(liveness.isInDoubt).toBe(false)
    expect(liveness.note(undefined)).toBeUndefined()
  }
  now += patience() * 1_000
  expect(liveness.isInDoubt).toBe(true)
})

test('a bad answer is passed on, and does not count', () => {
  let now = 0
  const liveness = new Liveness(() => now)
  now = 20_000
  expect(liveness.note('stuck')).toBe('stuck')
  now = 30_000
  expect(liveness.isInDoubt).toBe(true)
  liveness.note(undefined)
  expect(liveness.isInDoubt).toBe(false)
})
