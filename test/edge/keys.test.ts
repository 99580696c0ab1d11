/** What of a Secret leaves the edge, and which key is in force. */
import { describe, expect, test } from 'vitest'
import type { ObjectChange, ObjectRef } from '../../src/cluster/source.ts'
import { Keys } from '../../src/edge/keys.ts'
import type { Input } from '../../src/engine/input.ts'

const ref = (name: string, namespace = 'godwit'): ObjectRef => ({ kind: 'Secret', namespace, name })
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const objects = (...changes: ObjectChange[]): Input => ({ kind: 'objects', changes })
const upsert = (name: string, fields: object, namespace?: string): ObjectChange => {
  const metadata = { name, namespace: namespace ?? 'godwit', annotations: { note: 'hunter2' } }
  return {
    kind: 'upsert',
    ref: ref(name, namespace),
    object: { apiVersion: 'v1', kind: 'Secret', metadata, ...fields },
    from: 'x',
  }
}
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)
const AT = { secret: 'bgp', key: 'k' }

test('nothing of a Secret but names and numbers leaves, in whatever change it comes', () => {
  const keys = new Keys()
  const fields = { data: { k: base64('hunter2') }, stringData: { other: 'hunter2' }, extra: 'hunter2' }
  const one = upsert('bgp', fields) as Extract<ObjectChange, { kind: 'upsert' }>
  const changes = [one, { kind: 'replace', of: 'Secret', objects: [one] }] as const
  const covered = JSON.stringify(keys.redact(objects(...changes)))
  expect(covered).not.toContain('hunter2')
  expect(covered).not.toContain(base64('hunter2'))
  expect(covered).toContain('"k":{"version":1}')
  expect(text(keys.get(AT))).toBe('hunter2')
  expect(text(keys.get({ secret: 'bgp', key: 'other' }))).toBe('hunter2')
})

test('other kinds and other inputs are left alone', () => {
  const keys = new Keys()
  const change: ObjectChange = {
    kind: 'upsert',
    ref: { kind: 'Node', namespace: '', name: 'a' },
    object: { data: 1 },
    from: undefined,
  }
  expect(keys.redact(objects(change))).toEqual(objects(change))
  expect(keys.redact({ kind: 'synced' })).toEqual({ kind: 'synced' })
})

describe('a value that can be no key', () => {
  test.each<[string, object, string]>([
    ['empty', { data: { k: '' } }, 'is empty'],
    ['81 octets', { data: { k: base64('x'.repeat(81)) } }, 'has 81 octets; TCP-MD5 takes 80 at most'],
    ['a NUL', { data: { k: base64('a\0b') } }, 'has a NUL octet'],
    ['a line break at the end', { data: { k: base64('hunter2\n') } }, 'ends with a line break'],
    ['no base64', { data: { k: 'hunter2!' } }, 'is not base64'],
    ['no text', { data: { k: 7 } }, 'is not base64'],
  ])('%s', (_, fields, error) => {
    const keys = new Keys()
    keys.redact(objects(upsert('bgp', { data: { k: base64('good') } })))
    const covered = keys.redact(objects(upsert('bgp', fields)))
    expect(JSON.stringify(covered)).toContain(`"error":${JSON.stringify(error)}`)
    // The last good one stays in force.
    expect(text(keys.get(AT))).toBe('good')
  })

  test('80 octets are one (RFC 2385 §4.5)', () => {
    const keys = new Keys()
    keys.redact(objects(upsert('bgp', { data: { k: base64('x'.repeat(80)) } })))
    expect(keys.get(AT)).toHaveLength(80)
  })
})

test('a version grows with the key and with nothing else', () => {
  const keys = new Keys()
  const versionOf = (value: string): unknown => {
    const covered = keys.redact(objects(upsert('bgp', { data: { k: base64(value) } })))
    return /"version":(\d+)/.exec(JSON.stringify(covered))?.[1]
  }
  expect([versionOf('one'), versionOf('one'), versionOf('two'), versionOf('one')]).toEqual(['1', '1', '2', '3'])
})

test('a value that can be no key moves no version, however often it comes, and neither does the good one after it', () => {
  const keys = new Keys()
  const versionOf = (k: string): unknown =>
    /"version":(\d+)/.exec(JSON.stringify(keys.redact(objects(upsert('bgp', { data: { k } })))))?.[1]
  const bad = ['', base64('x'.repeat(81)), base64('a\0b'), 'hunter2!']
  for (const value of [...bad, ...bad]) expect(versionOf(value)).toBe('1')
  expect(versionOf(base64('good'))).toBe('2')
  for (const value of [...bad, ...bad, base64('good')]) expect(versionOf(value)).toBe('2')
  expect(versionOf(base64('better'))).toBe('3')
})

test('a key that vanished stays in force as long as it is asked for', () => {
  const keys = new Keys()
  keys.want(['bgp'])
  keys.redact(objects(upsert('bgp', { data: { k: base64('good') } })))
  keys.redact(objects({ kind: 'delete', ref: ref('bgp') }, { kind: 'replace', of: 'Secret', objects: [] }))
  expect(text(keys.get(AT))).toBe('good')
  keys.want([])
  expect(keys.get(AT)).toBeUndefined()
})

test('one that is there, and is asked for later, is there then', () => {
  const keys = new Keys()
  keys.redact(objects(upsert('bgp', { data: { k: base64('good') } })))
  keys.want([])
  keys.want(['bgp'])
  expect(text(keys.get(AT))).toBe('good')
  keys.want([])
  keys.redact(objects({ kind: 'delete', ref: ref('bgp') }))
  expect(keys.get(AT)).toBeUndefined()
})

test('only Secrets of the agent’s own namespace hold keys', () => {
  const keys = new Keys('godwit')
  keys.redact(objects(upsert('bgp', { data: { k: base64('theirs') } }, 'kube-system')))
  expect(keys.get(AT)).toBeUndefined()
})
