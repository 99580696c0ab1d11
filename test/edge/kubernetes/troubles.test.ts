import { expect, test } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { KubernetesTroubles } from '../../../src/edge/kubernetes/troubles.ts'

const AWAY = { text: 'https://10.96.0.1: Connection refused', ofServer: true }
const FORBIDDEN = { text: 'https://10.96.0.1/api/v1/nodes: 403', ofServer: false }

function troubles() {
  const told: ObjectChange[] = []
  const said = () => told.splice(0).map((one) => (one.kind === 'trouble' ? [one.at, one.text] : one))
  return { troubles: new KubernetesTroubles((one) => told.push(one)), said }
}

test('a server that is away is told once, and is back when the last kind is through', () => {
  const { troubles: all, said } = troubles()
  for (const kind of ['Node', 'Service', 'Node'] as const) all.set(kind, AWAY)
  expect(said()).toEqual([['Kubernetes', AWAY.text]])
  all.set('Node', undefined)
  expect(said()).toEqual([])
  all.set('Service', undefined)
  expect(said()).toEqual([['Kubernetes', undefined]])
})

test('trouble of one kind is its own, and takes the place of what the server did', () => {
  const { troubles: all, said } = troubles()
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
  const { troubles: all, said } = troubles()
  const reset = { text: 'https://10.96.0.1: Connection reset by peer', ofServer: true }
  all.set('Node', AWAY)
  all.set('Service', reset)
  all.set('Node', AWAY)
  expect(said()).toEqual([['Kubernetes', AWAY.text]])
  all.set('Node', undefined)
  expect(said()).toEqual([['Kubernetes', reset.text]])
})
