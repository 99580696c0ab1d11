import { Registry } from 'prom-client'
import { describe, expect, test, vi } from 'vitest'
import type { Policy, Rule } from '../../../src/bgp/policy/rule.ts'
import { Metrics } from '../../../src/edge/operate/metrics.ts'
import type { LogLine } from '../../../src/engine/log-line.ts'
import type { FilterView } from '../../../src/show/view.ts'
import { protocolOf, type ViewParts, viewOf } from '../../support/view.ts'

/** Of prom-client, which its types leave out. */
interface Writer {
  getMetricsAsString(metric: object): Promise<string>
}

const line = (code: string, fields: LogLine['fields']): LogLine => ({ level: 'info', code, text: '', fields })

function metricsOf(parts: ViewParts): { metrics: Metrics; parts: ViewParts } {
  const held = { parts, metrics: undefined as unknown as Metrics }
  held.metrics = new Metrics({ version: '1.2.3', view: () => viewOf(held.parts) })
  return held
}

const pageOf = async (metrics: Metrics, each = false): Promise<string> => (await metrics.scrape(each)).join('')

async function linesOf(metrics: Metrics, name: string): Promise<string[]> {
  const page = await pageOf(metrics)
  return page.split('\n').filter((line) => line.startsWith(name))
}

test.each([
  ['godwit_session_up', ['godwit_session_up{peer="rack",kind="Global"} 1']],
  ['godwit_session_state{', ['godwit_session_state{peer="rack",state="Established"} 1']],
  ['godwit_session_state_seconds', ['godwit_session_state_seconds{peer="rack"} 30']],
  ['godwit_session_established_total', ['godwit_session_established_total{peer="rack"} 2']],
  ['godwit_received_prefixes', ['godwit_received_prefixes{peer="rack",family="ipv4"} 10']],
  ['godwit_accepted_prefixes', ['godwit_accepted_prefixes{peer="rack",family="ipv4"} 8']],
  ['godwit_advertised_prefixes', ['godwit_advertised_prefixes{peer="rack",family="ipv4"} 5']],
  ['godwit_problems', ['godwit_problems 3']],
  ['godwit_source_synced', ['godwit_source_synced 1']],
  ['godwit_memory_bytes', ['godwit_memory_bytes{what="Routing tables"} 1000']],
])('%s is read from the view', async (name, lines) => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Established')], problems: 3 })
  expect(await linesOf(metrics, name)).toEqual(lines)
})

test('a neighbor that is disabled on purpose is not one that is down', async () => {
  const down = protocolOf('rack', 'Idle')
  const { metrics } = metricsOf({ protocols: [{ ...down, disabled: true }, protocolOf('other', 'Connect')] })
  expect(await linesOf(metrics, 'godwit_sessions_down')).toEqual([
    'godwit_sessions_down{peer="rack",kind="Global"} 0',
    'godwit_sessions_down{peer="other",kind="Global"} 1',
  ])
  expect(await linesOf(metrics, 'godwit_session_disabled')).toEqual([
    'godwit_session_disabled{peer="rack",kind="Global"} 1',
    'godwit_session_disabled{peer="other",kind="Global"} 0',
  ])
})

test('no neighbor of a node that has left is one that is down', async () => {
  for (const stage of ['here', 'drained', 'withdrawn', 'gone'] as const) {
    const view = { ...viewOf({ protocols: [protocolOf('rack', 'Idle')] }), leaving: () => ({ stage, reason: '' }) }
    const metrics = new Metrics({ version: '1.2.3', view: () => view })
    const isLeft = stage === 'gone' ? 1 : 0
    expect(await linesOf(metrics, 'godwit_sessions_down')).toEqual([
      `godwit_sessions_down{peer="rack",kind="Global"} ${1 - isLeft}`,
    ])
    expect(await linesOf(metrics, 'godwit_node_left')).toEqual([`godwit_node_left ${isLeft}`])
  }
})

test.each([
  'process_start_time_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_eventloop_lag_p99_seconds',
])('%s stands under the name that every dashboard knows', async (name) => {
  const { metrics } = metricsOf({})
  const [line = ''] = await linesOf(metrics, `${name} `)
  expect(Number(line.split(' ')[1])).toBeGreaterThanOrEqual(0)
})

test('hits of a rule are those of all who use its filter, and only written rules are counted', async () => {
  const rule = (name: string): Rule => ({ name, match: {}, action: 'accept', operations: [] })
  const policy = (...rules: Rule[]): Policy => ({ name: 'any', rules, otherwise: 'reject', otherwiseReason: '' })
  const filters: FilterView[] = [
    {
      policy: policy(rule('own routes'), rule('BGPFilter/a exportV4[0]')),
      direction: 'export',
      hits: [5, 2, 0],
      neighbors: ['rack'],
    },
    { policy: policy(rule('BGPFilter/a exportV4[0]')), direction: 'export', hits: [40, 1], neighbors: ['other'] },
    { policy: policy(rule('BGPFilter/b importV6[1]')), direction: 'import', hits: [], neighbors: ['down'] },
  ]
  const { metrics, parts } = metricsOf({ filters })
  expect(await linesOf(metrics, 'godwit_filter_hits_total')).toEqual([
    'godwit_filter_hits_total{rule="BGPFilter/a exportV4[0]"} 42',
    'godwit_filter_hits_total{rule="BGPFilter/b importV6[1]"} 0',
  ])
  // One neighbor of two is removed, and its policy with it.
  Object.assign(parts, { filters: filters.slice(1) })
  expect((await linesOf(metrics, 'godwit_filter_hits_total'))[0]).toBe(
    'godwit_filter_hits_total{rule="BGPFilter/a exportV4[0]"} 42',
  )
})

test('what nftables counts is shown by pool and family, and read anew for the next scrape', async () => {
  const rule = (packets: number | undefined) => ({ family: 'ipv4', rule: '', packets, bytes: 0 }) as const
  const nat = {
    active: true,
    error: undefined,
    rules: [3, 4].map((packets) => ({ pool: 'pods', ...rule(packets) })),
    serviceLoops: { prevention: 'Drop', rules: [rule(64)], services: 1, spared: 0 },
  } as const
  let scrapes = 0
  const metrics = new Metrics({ version: '1', view: () => viewOf({ nat }), onScrape: () => scrapes++ })
  expect(await linesOf(metrics, 'godwit_nat_packets_total')).toEqual([
    'godwit_nat_packets_total{pool="pods",family="ipv4"} 7',
  ])
  expect(await linesOf(metrics, 'godwit_service_loop_packets_total')).toEqual([
    'godwit_service_loop_packets_total{family="ipv4"} 64',
  ])
  expect(scrapes).toBe(2)
})

test('messages are counted by type and direction, and scraping twice does not double them', async () => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Established')] })
  await metrics.scrape()
  expect(await linesOf(metrics, 'godwit_messages_total{peer="rack",type="update"')).toEqual([
    'godwit_messages_total{peer="rack",type="update",direction="received"} 20',
    'godwit_messages_total{peer="rack",type="update",direction="sent"} 7',
  ])
})

test('transitions and NOTIFICATIONs are counted as they happen', async () => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Idle')] })
  for (const to of ['Connect', 'OpenSent', 'Connect']) {
    metrics.note(line('session-transition', { peer: 'rack', from: 'Idle', to, reason: '' }))
  }
  metrics.note(line('notification-received', { peer: 'rack', code: 6, subcode: 2, text: '' }))
  metrics.note(line('update-problem', { peer: 'rack', action: 'withdraw', attribute: 3 }))
  expect(await linesOf(metrics, 'godwit_session_transitions_total')).toEqual([
    'godwit_session_transitions_total{peer="rack",to="Connect"} 2',
    'godwit_session_transitions_total{peer="rack",to="OpenSent"} 1',
  ])
  expect(await linesOf(metrics, 'godwit_notifications_total')).toEqual([
    'godwit_notifications_total{peer="rack",direction="received",code="6",subcode="2"} 1',
  ])
  expect(await linesOf(metrics, 'godwit_update_problems_total')).toEqual([
    'godwit_update_problems_total{peer="rack",action="withdraw"} 1',
  ])
})

test('a neighbor cannot make series without end', async () => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Idle')] })
  for (let code = 0; code < 256; code++) {
    for (let subcode = 0; subcode < 256; subcode += 5) {
      metrics.note(line('notification-received', { peer: 'rack', code, subcode }))
    }
  }
  expect((await linesOf(metrics, 'godwit_notifications_total')).length).toBeLessThan(50)
})

test.each([
  [6, 2, 'code="6",subcode="2"'],
  [2, 11, 'code="2",subcode="11"'],
  [4, 0, 'code="4",subcode="0"'],
  [3, 12, 'code="3",subcode="other"'],
  [8, 0, 'code="8",subcode="0"'],
  [0, 0, 'code="other",subcode="0"'],
  [9, 1, 'code="other",subcode="1"'],
])('a NOTIFICATION %d/%d is counted as %s: what is beyond the RFCs is `other`', async (code, subcode, labels) => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Idle')] })
  metrics.note(line('notification-sent', { peer: 'rack', code, subcode }))
  expect(await linesOf(metrics, 'godwit_notifications_total')).toEqual([
    `godwit_notifications_total{peer="rack",direction="sent",${labels}} 1`,
  ])
})

test('every metric has a help text of its own', async () => {
  const texts = (await linesOf(metricsOf({}).metrics, '# HELP godwit_')).map((line) => line.replace(/^# HELP \S+ /, ''))
  expect(texts.length).toBeGreaterThan(20)
  expect(texts.filter((text, index) => texts.indexOf(text) !== index || !text.endsWith('.'))).toEqual([])
})

test('a peer that is gone takes its series along', async () => {
  const held = metricsOf({ protocols: [protocolOf('rack', 'Established')] })
  held.metrics.note(line('session-transition', { peer: 'rack', to: 'Connect' }))
  expect(await linesOf(held.metrics, 'godwit_session')).not.toEqual([])
  held.parts = {}
  expect(await linesOf(held.metrics, 'godwit_session')).toEqual([])
})

test('the time from an object to its UPDATE is a histogram in seconds', async () => {
  const { metrics } = metricsOf({})
  metrics.measure('object-to-update', 4)
  metrics.measure('object-to-update', 40)
  const lines = await linesOf(metrics, 'godwit_object_to_update_seconds')
  expect(lines).toContain('godwit_object_to_update_seconds_bucket{le="0.005"} 1')
  expect(lines).toContain('godwit_object_to_update_seconds_count 2')
  expect(lines).toContain('godwit_object_to_update_seconds_sum 0.044')
})

test('every name begins alike, and the build says its version', async () => {
  const { metrics } = metricsOf({ protocols: [protocolOf('rack', 'Established')] })
  const page = await pageOf(metrics)
  const names = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(names.filter((line) => !/^(?:godwit|process|nodejs)_/.test(line))).toEqual([])
  expect(page).toContain('godwit_build_info{version="1.2.3"')
})

describe('many neighbors', () => {
  const mesh = Array.from({ length: 300 }, (_, index) => ({
    ...protocolOf(`Mesh_10_0_0_${index}`, index < 299 ? 'Established' : 'Active'),
    kind: 'Mesh' as const,
  }))
  const callers = ['a', 'b'].map((name) => ({ ...protocolOf(name, 'Established'), range: '10.9.0.0/16' }))
  const all = { protocols: [...mesh, ...callers, protocolOf('rack', 'Established')] }

  test('the mesh and each range are summed, each under one name', async () => {
    const { metrics } = metricsOf(all)
    expect(await linesOf(metrics, 'godwit_session_up{')).toEqual([
      'godwit_session_up{peer="Mesh",kind="Mesh"} 299',
      'godwit_session_up{peer="10.9.0.0/16",kind="Global"} 2',
      'godwit_session_up{peer="rack",kind="Global"} 1',
    ])
    expect(await linesOf(metrics, 'godwit_sessions_down{peer="Mesh"')).toEqual([
      'godwit_sessions_down{peer="Mesh",kind="Mesh"} 1',
    ])
    expect(await linesOf(metrics, 'godwit_session_state_seconds{')).toEqual([
      'godwit_session_state_seconds{peer="rack"} 30',
    ])
    expect(await linesOf(metrics, 'godwit_received_prefixes{peer="Mesh",family="ipv4"}')).toEqual([
      'godwit_received_prefixes{peer="Mesh",family="ipv4"} 3000',
    ])
  })

  test('what was counted of them is summed too, and stays in the sum when one leaves', async () => {
    const { metrics, parts } = metricsOf({ ...all })
    for (const peer of ['Mesh_10_0_0_1', 'Mesh_10_0_0_2', 'rack'])
      metrics.note(line('session-transition', { peer, to: 'Idle' }))
    const wanted = 'godwit_session_transitions_total{'
    expect(await linesOf(metrics, wanted)).toEqual([
      'godwit_session_transitions_total{peer="Mesh",to="Idle"} 2',
      'godwit_session_transitions_total{peer="rack",to="Idle"} 1',
    ])
    Object.assign(parts, { protocols: all.protocols.filter(({ name }) => name !== 'Mesh_10_0_0_1') })
    expect((await linesOf(metrics, wanted))[0]).toBe('godwit_session_transitions_total{peer="Mesh",to="Idle"} 2')
  })

  test('no counter falls while a mesh has members, whoever leaves, returns or begins again', async () => {
    const held = metricsOf({ ...all })
    const countersOf = async (): Promise<Map<string, number>> => {
      const page = (await pageOf(held.metrics)).split('\n').filter((line) => /_total\{peer="(?:Mesh|10.9)/.test(line))
      return new Map(page.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]))
    }
    const anew = protocolOf('a', 'Established')
    const began = { ...anew, range: '10.9.0.0/16', peer: { ...anew.peer, established: 1 } }
    const steps = [
      all.protocols.filter(({ name }) => !/^Mesh_10_0_0_[12]/.test(name)),
      all.protocols.filter(({ name }) => name !== 'b'),
      [...mesh.slice(0, 5), began],
      all.protocols,
    ]
    let before = await countersOf()
    expect(before.get('godwit_session_established_total{peer="Mesh"}')).toBe(600)
    for (const protocols of steps) {
      Object.assign(held.parts, { protocols })
      await pageOf(held.metrics, true)
      const now = await countersOf()
      for (const [name, value] of before) expect([name, (now.get(name) ?? 0) >= value]).toEqual([name, true])
      before = now
    }
    Object.assign(held.parts, { protocols: callers })
    expect([...(await countersOf()).keys()].filter((name) => name.includes('Mesh'))).toEqual([])
  })

  test('nodes that join do not look like a session that comes and goes', async () => {
    const { metrics } = metricsOf(all)
    const up = (peer: string): void => metrics.note(line('session-transition', { peer, to: 'Established' }))
    for (const { name } of mesh) up(name)
    const wanted = 'godwit_session_flaps_total{peer="Mesh"}'
    expect(await linesOf(metrics, wanted)).toEqual([`${wanted} 0`])
    for (let times = 0; times < 4; times++) up('Mesh_10_0_0_7')
    expect(await linesOf(metrics, wanted)).toEqual([`${wanted} 2`])
  })

  test('on request each has a series of its own', async () => {
    const { metrics } = metricsOf(all)
    const page = await pageOf(metrics, true)
    expect(page.match(/^godwit_session_up\{/gm)).toHaveLength(303)
    expect(page).toContain('godwit_session_state_seconds{peer="Mesh_10_0_0_7"} 30')
  })

  test('pages that are asked for at once are made one after the other', async () => {
    const { metrics } = metricsOf(all)
    const [summed, each, again] = await Promise.all([pageOf(metrics), pageOf(metrics, true), pageOf(metrics)])
    expect(summed.match(/^godwit_session_up\{/gm)).toHaveLength(3)
    expect(each.match(/^godwit_session_up\{/gm)).toHaveLength(303)
    expect(again.match(/^godwit_session_up\{/gm)).toHaveLength(3)
  })

  test('those who ask while a page is made share the next one', async () => {
    const { metrics } = metricsOf(all)
    const pages = Array.from({ length: 50 }, () => metrics.scrape())
    expect(new Set(pages).size).toBe(1)
    await pages[0]
    const next = metrics.scrape()
    expect(next).not.toBe(pages[0])
    await next
  })

  test('ten thousand peers are written some at a time, as prom-client would write them all', async () => {
    const protocols = Array.from({ length: 10_000 }, (_, index) => ({
      ...protocolOf(`Mesh_${index}`, 'Established'),
      kind: 'Mesh' as const,
    }))
    const { metrics } = metricsOf({ ...all, protocols })
    for (const { name: peer } of protocols) metrics.note(line('session-transition', { peer, to: 'Idle' }))
    const written = vi.spyOn(Registry.prototype as unknown as Writer, 'getMetricsAsString')
    // Lines that were written since sockets were read last.
    let worst = 0
    const look = (): void => {
      const lines = written.mock.settledResults.map(({ value }) => String(value).split('\n').length)
      written.mockClear()
      worst = Math.max(
        worst,
        lines.reduce((sum, count) => sum + count, 0),
      )
      timer = setImmediate(look)
    }
    let timer = setImmediate(look)
    const page = await pageOf(metrics, true)
    clearImmediate(timer)
    written.mockRestore()
    expect(page.match(/^godwit_session_up\{/gm)).toHaveLength(10_000)
    expect(page.match(/^godwit_session_transitions_total\{/gm)).toHaveLength(10_000)
    expect(worst).toBeGreaterThan(100)
    expect(worst).toBeLessThan(300)
    expect(page.match(/^# TYPE godwit_session_up gauge$/gm)).toHaveLength(1)
    expect(page).toMatch(/\n\n# HELP godwit_sessions_down /)
  })

  test('what else there is to do is done in between', async () => {
    const { metrics } = metricsOf(all)
    let turns = 0
    const count = (): void => {
      turns++
      timer = setImmediate(count)
    }
    let timer = setImmediate(count)
    await metrics.scrape()
    clearImmediate(timer)
    expect(turns).toBeGreaterThan(10)
  })
})
