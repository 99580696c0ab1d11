/** The dashboard and the alerts ask for what the agent shows: names, labels, and no more. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Metrics } from '../../src/edge/operate/metrics.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { NatView } from '../../src/show/view.ts'
import { bfdView } from '../bfd/support.ts'
import { ENGINE_OPTIONS } from '../support/engine-options.ts'
import { bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'
import { viewOf } from '../support/view.ts'
import { DEPLOY } from './support/crds.ts'

const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8')

interface Dashboard {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
  }[]
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const DASHBOARD = JSON.parse(read('dashboard.json')) as Dashboard
const ALERTS = (parse(read('alerts.yaml')) as Rules).groups.flatMap(({ rules }) => rules)

const LAB = bgpFilter('lab', { importV4: [{ action: 'Reject' }] })
const TOR = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['lab'], bfd: {} })

/** What the agent shows: name → labels. */
const shown = new Map<string, Set<string>>()

beforeAll(async () => {
  const engine = new Engine({
    ...ENGINE_OPTIONS,
  })
  const worker = node('worker-1', { addresses: ['10.0.0.11', 'fd00::11'], podCIDRs: ['10.244.1.0/24'] })
  const objects = [worker, bgpConfiguration({}), LAB, TOR]
  engine.handle({ kind: 'objects', changes: objects.map((object) => upsert(object)) }, 0)
  engine.handle({ kind: 'synced' }, 0)
  const counters = { sent: 1, received: 1, dropped: { stranger: 1 }, leastInterval: 0 }
  const watching = bfdView({ remote: '10.0.0.1' })
  engine.handle({ kind: 'bfd', news: [{ kind: 'answer', id: 1, sessions: [watching], counters }] }, 0)
  const metrics = new Metrics({ version: 'test', view: () => engine.view(0) })
  const peer = 'Global_10_0_0_1'
  const say = (code: string, fields: Record<string, string | number>) =>
    metrics.note({ level: 'info', code, text: '', fields: { peer, ...fields } })
  say('session-transition', { to: 'Idle' })
  say('bfd-transition', { to: 'Up' })
  say('notification-sent', { code: 6, subcode: 2 })
  say('update-problem', { action: 'treat-as-withdraw' })
  metrics.measure('object-to-update', 1)
  const rule = { family: 'ipv4', rule: '', packets: 1, bytes: 0 } as const
  const nat: NatView = {
    active: true,
    error: undefined,
    rules: [{ pool: 'pods', ...rule }],
    serviceLoops: { prevention: 'Drop', rules: [rule], services: 1, spared: 0 },
  }
  const kernel = new Metrics({ version: 'test', view: () => viewOf({ nat }) })
  for (const line of `${await metrics.scrape()}${await kernel.scrape()}`.split('\n')) {
    const [, name, labels = ''] = /^([a-z_]+)(?:\{(.*)\})? /.exec(line) ?? []
    if (name === undefined) continue
    const known = shown.get(name) ?? new Set<string>()
    for (const [, label = ''] of labels.matchAll(/([a-z_]+)="/g)) known.add(label)
    shown.set(name, known)
  }
})

/** Prometheus adds these to whatever it scrapes. */
const SCRAPED = ['instance', 'job']

function unknownIn(expr: string): string[] {
  const names = [...new Set(expr.match(/\b(?:godwit|process)_[a-z_]+/g))]
  const unknown = names.filter((name) => !shown.has(name))
  const labels = new Set([...SCRAPED, ...names.flatMap((name) => [...(shown.get(name) ?? [])])])
  const asked = [
    ...[...expr.matchAll(/\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',')),
    ...[...expr.matchAll(/([a-z_]+)\s*(?:=~|!=|!~|=)\s*"/g)].map(([, label = '']) => label),
  ]
  return [...unknown, ...asked.map((label) => label.trim()).filter((label) => label !== '' && !labels.has(label))]
}

test('the agent shows what is looked for here', () => {
  expect(shown.size).toBeGreaterThan(15)
  expect([...(shown.get('godwit_notifications_total') ?? [])].sort()).toEqual(['code', 'direction', 'peer', 'subcode'])
})

describe('the alerts', () => {
  test.each(ALERTS.map(({ alert, expr }) => [alert, expr]))('%s asks for what there is', (_alert, expr) => {
    expect(unknownIn(expr)).toEqual([])
  })

  test('each has a test of promtool’s, for when it is raised and when not', () => {
    const tests = readFileSync(new URL('root/alerts.yaml', import.meta.url), 'utf8')
    for (const { alert } of ALERTS) {
      expect(tests.match(new RegExp(`alertname: ${alert}, exp_alerts: \\[\\]`)), alert).not.toBeNull()
      expect(tests.match(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n`)), alert).not.toBeNull()
    }
  })
})

describe('the dashboard', () => {
  test.each(DASHBOARD.panels.map((panel) => [panel.title, panel] as const))('%s asks for what there is', (_, panel) => {
    for (const { expr, legendFormat } of panel.targets) {
      expect(unknownIn(expr), expr).toEqual([])
      const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => `${label}="x"`)
      expect(unknownIn(`${expr} # ${labels.join(' ')}`), legendFormat).toEqual([])
    }
  })

  test('shows every number of the agent’s own', () => {
    const all = DASHBOARD.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' ')
    const parts = /_(?:sum|count)$/
    const own = [...shown.keys()].filter((name) => name.startsWith('godwit_') && !parts.test(name))
    expect(own.filter((name) => !all.includes(name))).toEqual([])
  })

  test('has panels of their own number, and none covers another', () => {
    const { panels } = DASHBOARD
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { id, gridPos: a } of panels) {
      expect(a.x + a.w).toBeLessThanOrEqual(24)
      for (const { id: other, gridPos: b } of panels) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y
        if (id !== other) expect(apart, `${id} and ${other}`).toBe(true)
      }
    }
  })
})
