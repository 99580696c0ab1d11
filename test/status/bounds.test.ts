/** A status stays small and harmless, whatever is in it. */
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../src/cluster/intent.ts'
import type { ProtocolView, View } from '../../src/show/view.ts'
import { shown, shownLines } from '../../src/status/bounds.ts'
import type { NodeStatus } from '../../src/status/node-status.ts'
import { renderNodeStatus, timed } from '../../src/status/render.ts'
import { Survey } from '../../src/status/survey.ts'
import { schemaOf } from '../deploy/support/crds.ts'
import { faults } from '../deploy/support/schema.ts'
import { fakeView } from '../support/fake-view.ts'
import { longTest } from '../support/long.ts'

const LIMIT = 32 * 1024
const [TEMPLATE] = [...fakeView().eachProtocol()] as [ProtocolView]
/** As they stand, and as JSON writes them. */
const HARMFUL = /\p{Cf}|\p{Zl}|\\u001b/u
const EVIL = `\u001b[2J\u202e\u2028${'\u{1f4a5}ö"\\'.repeat(2_000)}`

function surveyed(view: Partial<View>): { status: NodeStatus; turns: number } {
  const survey = new Survey(fakeView([], view))
  for (let turns = 1; ; turns++) {
    const status = survey.advance()
    if (status !== undefined) return { status, turns }
  }
}

function objectOf(status: NodeStatus): { object: unknown; octets: number } {
  const metadata = {
    name: 'n'.repeat(253),
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n'.repeat(253) }],
  }
  const rendered = JSON.parse(JSON.stringify(renderNodeStatus(status, 1.7e12, 1_000, undefined))) as object
  const object = { apiVersion: 'godwit.dev/v1', kind: 'BGPNodeStatus', metadata, status: rendered }
  return { object, octets: Buffer.byteLength(JSON.stringify(object)) }
}

const neighbor = (
  index: number,
  kind: ProtocolView['kind'],
  more: Partial<ProtocolView['peer']> = {},
): ProtocolView => ({
  ...TEMPLATE,
  kind,
  name: `${kind}_${index}`,
  peer: { ...TEMPLATE.peer, ...more },
})
const many = (count: number, make: (index: number) => ProtocolView) =>
  Array.from({ length: count }, (_, index) => make(index))

describe('what a survey comes to', () => {
  test('5,000 sessions of a mesh are sums and the first fifty that are not Established, in slices', () => {
    const lastError = { class: 'Socket', text: 'No route to host', at: 5 } as const
    const mesh = many(5_000, (index) =>
      neighbor(index, 'Mesh', index % 2 === 0 ? {} : { state: 'Active', session: undefined, lastError }),
    )
    const { status, turns } = surveyed({ eachProtocol: () => mesh })
    expect(turns).toBeGreaterThanOrEqual(5_000 / 128)
    expect(status.sessions).toEqual({ configured: 5_000, established: 2_500 })
    expect(status.mesh?.notEstablished).toHaveLength(50)
    expect(status.mesh?.families.ipv4.received).toBe(5_000 * 4)
    expect(status.routers).toEqual([])
    expect(objectOf(status).octets).toBeLessThan(LIMIT)
  })

  longTest(
    'hostile texts everywhere, and more of all than fits: under 32 KiB, harmless, and what is left out is counted',
    () => {
      const lastError = { class: 'Received', text: EVIL, at: 5 } as const
      const sessions = [
        ...many(2_000, (index) => ({
          ...neighbor(index, 'Global', { lastError }),
          name: EVIL,
          object: EVIL,
          held: EVIL,
        })),
        ...many(3_000, (index) => ({ ...neighbor(index, 'Mesh', { state: 'Idle', lastError }), name: EVIL })),
      ]
      const problem: Problem = { code: 'x', object: EVIL, field: EVIL, value: EVIL, text: EVIL }
      const { status } = surveyed({
        eachProtocol: () => sessions,
        problems: () => Array.from({ length: 500 }, () => problem),
        leaving: () => ({ stage: 'drained', reason: EVIL }),
      })
      const { object, octets } = objectOf(status)
      expect(octets).toBeLessThan(LIMIT)
      const mesh = status.mesh && { ...status.mesh, notEstablished: [] }
      expect(objectOf({ ...status, routers: [], problems: [], mesh }).octets).toBeLessThan(LIMIT - 29_000)
      expect(JSON.stringify(object)).not.toMatch(HARMFUL)
      const { routersLeftOut, problemsLeftOut, routers, problems } = (object as { status: Record<string, never> })
        .status
      expect((routers as unknown as []).length + Number(routersLeftOut)).toBe(2_000)
      expect((problems as unknown as []).length + Number(problemsLeftOut)).toBe(500)
      expect((routers as unknown as []).length).toBeGreaterThan(5)
      expect(faults(schemaOf('BGPNodeStatus'), object)).toEqual([])
    },
  )

  test('a session that ended says since when; one that never was says only why', () => {
    const lastError = { class: 'Socket', text: 'No route to host', at: 5 } as const
    const down = { state: 'Active', session: undefined, lastError } as const
    const { status } = surveyed({
      eachProtocol: () => [neighbor(0, 'Global', { ...down, lostAt: 4 }), neighbor(1, 'Global', down)],
    })
    expect(status.routers.map(({ since }) => since)).toEqual([4, undefined])
    expect(status.routers.map((router) => router.lastError?.text)).toEqual(Array(2).fill('Socket: No route to host'))
  })

  test('forty routers with long errors are told in full', () => {
    const lastError = { class: 'Received', text: 'Administrative shutdown: the rack is moved', at: 5 } as const
    const { status } = surveyed({ eachProtocol: () => many(40, (index) => neighbor(index, 'Global', { lastError })) })
    expect(status.routers).toHaveLength(40)
    expect(faults(schemaOf('BGPNodeStatus'), objectOf(status).object)).toEqual([])
  })
})

describe('conditions', () => {
  const NOW = '2026-11-29T20:00:00Z'
  const one = (status: 'True' | 'False', reason = 'A') => ({ type: 'Ready', status, reason, message: '' })

  test.each<[string, unknown, string]>([
    ['none there', undefined, NOW],
    ['the same status', [{ type: 'Ready', status: 'True', lastTransitionTime: 'then' }], 'then'],
    ['another status', [{ type: 'Ready', status: 'False', lastTransitionTime: 'then' }], NOW],
    ['one of another type', [{ type: 'Other', status: 'True', lastTransitionTime: 'then' }], NOW],
    ['no list', 'conditions', NOW],
    ['no conditions in it', [null, 7, {}], NOW],
    ['no time', [{ type: 'Ready', status: 'True', lastTransitionTime: 7 }], NOW],
  ])('%s', (_name, before, at) => {
    expect(timed([one('True')], before, NOW).at(-1)).toEqual({ ...one('True'), lastTransitionTime: at })
  })
})

test('several texts are lines, each harmless, and cut as a whole', () => {
  expect(shownLines(['one', 'two\nthree'], 100)).toBe('one\ntwo?three')
  expect(shownLines(['öö', 'x'.repeat(50)], 12)).toBe('öö\nxxxx…')
  expect(shownLines(['x'.repeat(50), 'two'], 10)).toBe('xxxxxxx…')
  expect([shown('x'.repeat(10), 10), shown('x'.repeat(11), 10)]).toEqual(['x'.repeat(10), 'xxxxxxx…'])
  expect([shown('ö'.repeat(5), 10), shown('ö'.repeat(6), 10)]).toEqual(['ö'.repeat(5), 'ööö…'])
})
