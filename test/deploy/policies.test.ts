/** What admission policies let agents write, and what not. */
import { expect, test } from 'vitest'
import type { Admitted } from '../support/api-server/server.ts'
import type { Manifest, StoredObject } from '../support/api-server/store.ts'
import { kustomize } from './support/kustomize.ts'
import { type Asking, whyDenied } from './support/policies.ts'

const OBJECTS = kustomize(['node-readiness'])
const AGENT: Asking = { username: 'system:serviceaccount:godwit:godwit', node: 'worker-1' }
const ADMIN: Asking = { username: 'admin', node: undefined }

const status = (name: string): Manifest => ({ apiVersion: 'godwit.dev/v1', kind: 'BGPNodeStatus', metadata: { name } })
const STARTING = { key: 'godwit.dev/starting', effect: 'NoSchedule' }
const OTHER = { key: 'other', value: 'a', effect: 'NoExecute' }
const READY = { type: 'Ready', status: 'True' }
const OURS = { type: 'godwit.dev/BGPReady', status: 'True' }

const NODE: Manifest = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'worker-1', labels: { rack: '1' }, annotations: { a: 'b' } },
  spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'], taints: [STARTING, OTHER] },
  status: { conditions: [READY], addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], capacity: { cpu: '4' } },
}

function write(object: Manifest, part?: string, oldObject = NODE): Admitted {
  const { kind, metadata } = object
  const old = kind === 'Node' ? (oldObject as StoredObject) : undefined
  return { operation: old === undefined ? 'CREATE' : 'UPDATE', kind, name: metadata.name, part, object, oldObject: old }
}

const spec = (more: object): Manifest => ({ ...NODE, spec: { ...(NODE.spec as object), ...more } })
const state = (more: object): Manifest => ({ ...NODE, status: { ...(NODE.status as object), ...more } })

test.each<[string, Admitted, Asking?]>([
  ['its own status', write(status('worker-1'))],
  ['a person, any status', write(status('worker-2')), ADMIN],
  ['a person, any Node', write(spec({ taints: [] })), ADMIN],
  ['the startup taint taken away', write(spec({ taints: [OTHER] }))],
  ['the last taint taken away', write(spec({ taints: undefined }), undefined, spec({ taints: [STARTING] }))],
  ['its condition written', write(state({ conditions: [READY, OURS] }), 'status')],
  [
    'its condition changed',
    write(state({ conditions: [OURS, READY] }), 'status', state({ conditions: [OURS, READY] })),
  ],
])('allowed: %s', (_name, admitted, asking = AGENT) => {
  expect(whyDenied(OBJECTS, admitted, asking)).toBeUndefined()
})

test.each<[string, Admitted, string, Asking?]>([
  ['the status of another node', write(status('worker-2')), 'only the BGPNodeStatus'],
  [
    'a token that is bound to no node',
    write(status('worker-1')),
    'only the BGPNodeStatus',
    { ...AGENT, node: undefined },
  ],
  ['a taint set', write(spec({ taints: [STARTING, OTHER, { key: 'x', effect: 'NoSchedule' }] })), 'set none'],
  ['another taint taken away', write(spec({ taints: [STARTING] })), 'no other'],
  ['a taint changed', write(spec({ taints: [STARTING, { ...OTHER, value: 'b' }] })), 'no other'],
  [
    'a startup taint that drives pods away',
    write(spec({ taints: [] }), undefined, spec({ taints: [{ ...STARTING, effect: 'NoExecute' }] })),
    'no other',
  ],
  ['a label', write({ ...NODE, metadata: { ...NODE.metadata, labels: {} } }), 'metadata'],
  ['an annotation', write({ ...NODE, metadata: { ...NODE.metadata, annotations: { a: 'c' } } }), 'metadata'],
  ['a finalizer', write({ ...NODE, metadata: { ...NODE.metadata, finalizers: ['x'] } }), 'metadata'],
  ['a cordon', write(spec({ unschedulable: true })), 'only taints'],
  ['a pod CIDR', write(spec({ podCIDRs: ['10.9.0.0/24'] })), 'only taints'],
  ['a provider', write(spec({ providerID: 'x' })), 'only taints'],
  ['another condition', write(state({ conditions: [{ ...READY, status: 'False' }, OURS] }), 'status'), 'BGPReady'],
  ['a condition dropped', write(state({ conditions: [OURS] }), 'status'), 'BGPReady'],
  ['an address', write(state({ addresses: [] }), 'status'), 'only its condition'],
  ['a capacity', write(state({ capacity: { cpu: '5' } }), 'status'), 'only its condition'],
  [
    'the condition of another node',
    write({ ...state({ conditions: [READY, OURS] }), metadata: { name: 'worker-2' } }, 'status'),
    'bound to',
  ],
])('denied: %s', (_name, admitted, words, asking = AGENT) => {
  expect(whyDenied(OBJECTS, admitted, asking)).toContain(words)
})
