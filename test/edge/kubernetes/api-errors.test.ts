import { expect, test } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { ApiErrors } from '../../../src/edge/kubernetes/api-errors.ts'

const AWAY = { text: 'https://10.96.0.1: Connection refused', ofServer: true }
const FORBIDDEN = { text: 'https://10.96.0.1/api/v1/nodes: 403', ofServer: false }

function errors() {
  const told: ObjectChange[] = []
  const said = () => told.splice(0).map((one) => (one.kind === 'source-problem' ? [one.at, one.text] : one))
  return { errors: new ApiErrors((one) => told.push(one)), said }
}

test('a server that is away is told once, and is back when the last kind is through', () => {
  const { errors: all, said } = errors()
  for (const kind of ['Node', 'Service', 'Node'] as const) all.set(kind, AWAY)
  expect(said()).toEqual([['Kubernetes', AWAY.text]])
  all.set('Node', undefined)
  expect(said()).toEqual([])
  all.set('Service', undefined)
  expect(said()).toEqual([['Kubernetes', undefined]])
})

test('error of one kind is its own, and takes the place of what the server did', () => {
  const { errors: all, said } = errors()
  all.set('Node', AWAY)
  all.set('Node', FORBIDDEN)
  expect(said()).toEqual([
    ['Kubernetes', AWAY.text],
    ['Kubernetes', undefined],
    ['Kubernetes/Node', FORBIDDEN.text],
  ])
  all.set('Node', FORBIDDEN)
  all.set('Service', undefined)
  expect(said()).toEqual([])
  all.set('Node', undefined)
  expect(said()).toEqual([['Kubernetes/Node', undefined]])
})

test('kinds that say different things of the server do not take turns', () => {
  const { errors: all, said } = errors()
  const reset = { text: 'https://10.96.0.1: Connection reset by peer', ofServer: true }
  all.set('Node', AWAY)
  all.set('Service', reset)
  all.set('Node', AWAY)
  expect(said()).toEqual([['Kubernetes', AWAY.text]])
  all.set('Node', undefined)
  expect(said()).toEqual([['Kubernetes', reset.text]])
})
