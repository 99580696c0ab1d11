/**
 * Whole answers, as a client gets them. The files in `golden/` are laid out as BIRD 2.0.12 lays them out: columns,
 * codes, continuation and order of lines were taken from its replies.
 */
import { describe, expect, test } from 'vitest'
import type { Family } from '../../src/base/family.ts'
import type { RouteRow } from '../../src/bgp/rib/types.ts'
import { answer, type Client, greeting, newClient } from '../../src/show/answer.ts'
import { encodeReply } from '../../src/show/line-protocol.ts'
import type { RangeView, View } from '../../src/show/view.ts'
import { BARE } from '../support/attributes.ts'
import { fakeView, ROUTES } from '../support/fake-view.ts'

const said = (line: string, view: View = fakeView(), client: Client = newClient()) =>
  [...answer(line, view, client)]
    .filter((row) => row !== undefined)
    .map(encodeReply)
    .join('')

test('`show route stats` lists routes and counts them: each table once, however many are shown', () => {
  const counted: unknown[] = []
  const { count } = fakeView()
  const view = fakeView(ROUTES, {
    count: (query, from) => {
      counted.push(query)
      return count(query, from)
    },
  })
  const lines = said('show route stats', view)
  expect(lines).toMatch(/ 4 of 4 routes for 3 networks in table master4\n/)
  expect(lines).toMatch(/0014 Total: 6 of 6 routes for 5 networks in 2 tables\n$/)
  expect(counted).toHaveLength(4)
})

describe('an error of our own', () => {
  const broken = fakeView(ROUTES, {
    eachProtocol: () => {
      throw new Error('a fault')
    },
    act: () => {
      throw new Error('a fault')
    },
  })

  test('ends the answer to a question, and is reported', () => {
    const errors: unknown[] = []
    const rows = [...answer('show protocols', broken, newClient(), (error) => errors.push(error))]
    expect(rows.at(0)).toMatchObject({ code: 8901 })
    expect(errors).toEqual([new Error('a fault')])
  })

  test('in a command that acts is thrown: nobody knows how far it was carried out', () => {
    expect(() => [...answer('disable all', broken, newClient(), () => {})]).toThrow('a fault')
  })
})

describe('layout', () => {
  test.each([
    'show status',
    'show protocols',
    'show summary',
    'json show summary',
    'show protocols all',
    'show protocols all "Mesh*"',
    'show route',
    'show route all',
    'show route count',
    'show route for 10.2.0.7 all',
    'show route in 10.0.0.0/8 primary',
    'show route table master6',
    'show route protocol Global_10_0_0_9 count',
    'show route protocol pod_cidr',
    'show route export Global_10_0_0_9',
    'show route noexport Global_10_0_0_9 table master6',
    'show route filtered all',
    'show interfaces',
    'show interfaces summary',
    'show callers',
    'show memory',
    'show static',
    'show symbols',
    'json show interfaces',
    'json show callers',
    'json show static',
    'json show symbols',
    'show services',
    'show nat',
    'show bfd sessions',
    'json show bfd sessions',
    'show filters',
    'show filters Node_10_0_0_3_port_1790',
    'configure check',
    'help',
    'json show status',
    'json show protocols',
    'json show route',
    'json show services',
    'json show nat',
    'json show filters',
  ])('%s', async (line) => {
    const file = line.replaceAll(/[^a-z0-9]+/gi, '-').replace(/-$/, '')
    await expect(said(line)).toMatchFileSnapshot(`golden/${file}.txt`)
  })

  test('the greeting', () => {
    expect(
      [...greeting()]
        .filter((row) => row !== undefined)
        .map(encodeReply)
        .join(''),
    ).toBe('0001 BIRD 2.0.12 ready.\n')
  })
})

describe('short answers', () => {
  test.each([
    ['show protocols nope', '8003 No protocols match\n'],
    ['show filters nope', '8003 No protocols match\n'],
    ['show protocols "Z*"', '8003 No protocols match\n'],
    ['show route for 10.9.9.9', '8001 Network not found\n'],
    ['show route in 10.9.0.0/16', '0000 \n'],
    ['show route protocol nope', '8003 No protocols match nope\n'],
    ['show route export Mesh_10_0_0_2', '8005 No valid tables: Mesh_10_0_0_2 is not Established\n'],
    ['show route table master4 count', '1007-4 of 4 routes for 3 networks in table master4\n0000 \n'],
    ['enable Mesh_10_0_0_2', '0010-Mesh_10_0_0_2: already enabled\n0000 \n'],
    ['enable "Node*"', '0011-Node_10_0_0_3_port_1790: enabled\n0000 \n'],
    ['disable Node_10_0_0_3_port_1790', '0008-Node_10_0_0_3_port_1790: already disabled\n0000 \n'],
    ['restart Mesh_10_0_0_2', '0012-Mesh_10_0_0_2: restarted\n0000 \n'],
    ['restart Node_10_0_0_3_port_1790', '0008-Node_10_0_0_3_port_1790: already disabled\n0000 \n'],
    ['reload Mesh_10_0_0_2', '0015-Mesh_10_0_0_2: reloading\n0000 \n'],
    ['show static service', '1009-2001:db8:1::/64\tservice Service/shop/web Service/shop/api\n0000 \n'],
    ['show static nope', '8003 No protocols match nope\n'],
    ['show symbols table', '1010-master4 \trouting table\n master6 \trouting table\n0000 \n'],
    ['show symbols function', '0000 \n'],
    ['show symbols nope', '1010-nope    \tundefined\n0000 \n'],
    ['enable nope', '8003 No protocols match\n'],
    ['echo off', '0000 \n'],
    ['echo all', '8900 Not supported: the agent does not echo its log\n'],
    ['json show route count', '1900-{"ipv4":{"prefixes":3,"paths":4},"ipv6":{"prefixes":2,"paths":2}}\n0000 \n'],
    ['json show route for 10.9.9.9', '1900-[\n ]\n8001 Network not found\n'],
    ['json show route in 10.9.0.0/16', '1900-[\n ]\n0000 \n'],
    ['json restrict', '1900-[\n ]\n8900 Not supported: restrict has no JSON form\n'],
    ['json foo', expect.stringMatching(/^9001 syntax error, unexpected "foo"/)],
  ])('%s', (line, text) => {
    expect(said(line)).toEqual(text)
  })
})

test('BFD that nobody asks for is a protocol that does not run', () => {
  const view = fakeView(undefined, { bfd: () => undefined })
  for (const line of ['show bfd sessions', 'show bfd sessions bfd1']) {
    expect(said(line, view)).toBe('9001 There is no BFD protocol running\n')
  }
  expect(said('json show bfd sessions', view)).toBe('1900-[\n ]\n9001 There is no BFD protocol running\n')
})

describe('of the BFD sessions', () => {
  const shown = (of: string) => said(`show bfd sessions ${of}`).match(/^ ?\S*(?:10\.\S+|fe80\S+)/gm)?.length ?? 0

  test('those of a neighbor are shown, by any of its names, and all of the one instance', () => {
    const all = shown('')
    expect(all).toBeGreaterThan(1)
    expect(shown('bfd1')).toBe(all)
    for (const name of ['Global_10_0_0_9', '10.0.0.9', 'rack-1', '"Global_10*"']) expect(shown(name)).toBe(1)
    expect(JSON.parse(said('json show bfd sessions rack-1').replaceAll(/^(1900-|0000.*| )/gm, ''))).toHaveLength(1)
  })

  test('an unknown name is refused, not answered with all', () => {
    expect(said('show bfd sessions nope')).toBe('8003 No protocols match\n')
    expect(said('json show bfd sessions nope')).toBe('1900-[\n ]\n8003 No protocols match\n')
  })
})

test.each([
  ['configure timeout 10', '0003 Reconfigured\n'],
  ['configure "/etc/bird/bird.conf" timeout', '0003 Reconfigured\n'],
  ['graceful restart', '0025 Graceful restart requested\n'],
  ['undrain all', ': is not drained\n'],
])('%s', (line, end) => {
  const results = [{ name: 'Global_10_0_0_9', outcome: 'already' as const, reason: '' }]
  const act = () => ({ results, isOver: true })
  expect(said(line, fakeView(undefined, { act, problems: () => [] }))).toContain(end)
})

describe('who is meant', () => {
  test.each([
    ['its name', 'Global_10_0_0_9'],
    ['its address', '10.0.0.9'],
    ['its BGPPeer', 'rack-1'],
    ['its BGPPeer with the kind', 'BGPPeer/rack-1'],
  ])('%s', (_name, text) => {
    expect(said(`show protocols ${text}`)).toMatch(/^1002-Global_10_0_0_9 /m)
    const view = fakeView()
    said(`disable ${text} "bye"`, view)
    expect(view.actions).toEqual([{ kind: 'disable', pattern: 'Global_10_0_0_9', message: 'bye' }])
  })

  test('patterns go to the engine as they are', () => {
    const view = fakeView()
    said('reload in "Me*"', view)
    said('debug all all', view)
    expect(view.actions).toEqual([
      { kind: 'reload', pattern: 'Me*', direction: 'in' },
      { kind: 'debug', pattern: '*', on: true },
    ])
  })
})

describe('to one who expects a BIRD 1.6', () => {
  const rowsFor = (family: Family, view = fakeView()) =>
    said('show protocols', view, newClient({ bird1: family }))
      .split('\n')
      .filter((line) => !line.startsWith('0000'))
      .map((line) => line.replace(/^(\d{4}-| )/, '').split(/\s+/))

  test('the heading is that of calicoctl, and so are the columns', () => {
    const [heading, row] = rowsFor('ipv4')
    expect(heading).toEqual(['name', 'proto', 'table', 'state', 'since', 'info'])
    expect(row?.slice(0, 6)).toEqual(['Global_10_0_0_9', 'BGP', 'master', 'up', '01:30:01.000', 'Established'])
  })

  test('neighbors are those with an address of the family, and those whose session carries it', () => {
    const names = (family: Family) => rowsFor(family).flatMap(([name = '']) => (/_/.test(name) ? [name] : []))
    expect(names('ipv4')).toEqual(['Global_10_0_0_9', 'Mesh_10_0_0_2', 'Node_10_0_0_3_port_1790'])
    // Its session over IPv4 carries both.
    expect(names('ipv6')).toEqual(['Global_10_0_0_9'])
  })

  const saidTo = (bird1: Family, line: string, view = fakeView()) => said(line, view, newClient({ bird1 }))

  test('its version is said by greeting and status', () => {
    const [welcome] = greeting({ bird1: 'ipv4' })
    expect(welcome?.text).toBe('BIRD v1.6.8 ready.')
    expect(saidTo('ipv4', 'show status')).toMatch(/^1000-BIRD v1\.6\.8\n/)
  })

  test('routes of one family, in its layout: no table is named', () => {
    expect(saidTo('ipv4', 'show route')).toBe(
      '1007-0.0.0.0/0          via 10.0.0.9 on eth0 [Global_10_0_0_9 01:30:07.907] * (100/0) [AS65002i]\n' +
        ' 10.1.0.0/24        blackhole [pod_cidr 01:30:07.907] * (200)\n' +
        '                    via 10.7.7.7 [Global_10_0_0_9 01:30:07.907 from 10.0.0.9] (100/0) [AS65002i]\n' +
        ' 10.2.0.0/24        via 10.0.0.9 on eth0 [Global_10_0_0_9 01:30:07.907] * (100/0) [?]\n' +
        '0000 \n',
    )
    expect(saidTo('ipv6', 'show route')).toMatch(
      /^1007-2001:db8:1::\/64 +blackhole .*\n 2001:db8:2::\/48 +via .*\n0000 \n$/,
    )
    expect(saidTo('ipv4', 'show route all')).toContain('\n1008-\tType: BGP unicast univ\n')
  })

  test('several gateways stand below the line of the route', () => {
    const rows = ROUTES.map((row) => ({ ...row, alsoVia: row.prefix === '10.2.0.0/24' ? [['10.0.0.8']] : [] }))
    expect(saidTo('ipv4', 'show route 10.2.0.0/24', fakeView(rows))).toMatch(
      /^1007-10\.2\.0\.0\/24 +multipath \[.*\n \tvia 10\.0\.0\.9 on eth0 weight 1\n \tvia 10\.0\.0\.8 on eth0 weight 1\n/,
    )
  })

  test.each([
    ['show route count', '0014 4 of 4 routes for 3 networks\n'],
    ['show route stats', '0014 4 of 4 routes for 3 networks\n'],
    ['show route for 10.9.9.9', '8001 Network not found\n'],
    ['show route 2001:db8:1::/64', '8001 Network not found: this socket has IPv4 alone\n'],
    ['show route in 2001:db8::/32', '8001 Network not found: this socket has IPv4 alone\n'],
    ['show route table master6', '8001 Network not found: this socket has IPv4 alone\n'],
  ])('%s', (line, end) => expect(saidTo('ipv4', line).endsWith(end)).toBe(true))
})

describe('configure check', () => {
  const warning = {
    code: 'source-trouble',
    object: 'calico.yaml#1',
    field: '',
    value: '',
    text: 'calico.yaml#1: BGPPeer of projectcalico.org/v3 is passed over',
    level: 'warning',
  } as const

  test('a warning is said, and nothing is wrong', () => {
    expect(said('configure check', fakeView(undefined, { problems: () => [warning] }))).toBe(
      '0002-Reading configuration from manifests, changes are always followed\n' +
        '1903-warning: calico.yaml#1: BGPPeer of projectcalico.org/v3 is passed over [source-trouble]\n' +
        '0020 Configuration OK\n',
    )
  })

  test('beside an error it is not counted', () => {
    const { level: _, ...error } = warning
    const view = fakeView(undefined, { problems: () => [warning, error] })
    expect(said('configure check', view)).toMatch(/^8002 1 problem; everything else is in force$/m)
  })
})

describe('why services are not advertised', () => {
  const refused = (...rows: readonly (readonly [what: string, why: string])[]) => {
    const text = said('show services', fakeView(undefined, { refusals: () => new Map(rows), problems: () => [] }))
    const lines = text.split('\n').map((line) => line.replace(/^(1903-| )/, ''))
    return lines.slice(lines.indexOf('Not advertised from here:') + 1).filter((line) => /: (?!Held)/.test(line))
  }
  const V4 = 'externalTrafficPolicy is Local and no IPv4 endpoint on this node is ready'
  const V6 = 'externalTrafficPolicy is Local and no IPv6 endpoint on this node is ready'

  test('is said once for all addresses of a service that share a reason', () => {
    const lines = refused(
      ['Service/shop/web', `${V4}; ${V6}`],
      ['10.96.0.10/32', `Service/shop/web: ${V4}`],
      ['fd00:96::10/128', `Service/shop/web: ${V6}`],
      ['192.0.2.10/32', `Service/shop/web: ${V4}`],
    )
    expect(lines.slice(0, 2)).toEqual([
      `10.96.0.10/32 192.0.2.10/32: Service/shop/web: ${V4}`,
      `fd00:96::10/128: Service/shop/web: ${V6}`,
    ])
    expect(lines.filter((line) => line.startsWith('Service/'))).toEqual([])
  })

  test('is said of an object with no address, and of one whose address another object wants', () => {
    const lines = refused(
      ['Service/shop/db', 'it has no ClusterIP: it is headless, or none is assigned yet'],
      ['Service/shop/api', `${V4}; ${V6}`],
      ['10.96.0.11/32', `Service/shop/api: ${V4}`],
    )
    expect(lines.slice(0, 3)).toEqual([
      `10.96.0.11/32: Service/shop/api: ${V4}`,
      'Service/shop/db: it has no ClusterIP: it is headless, or none is assigned yet',
      `Service/shop/api: ${V4}; ${V6}`,
    ])
  })
})

describe('a range that neighbors may call from', () => {
  const range: RangeView = {
    name: 'Global_10_0_0_0_24',
    kind: 'Global',
    object: 'rack',
    range: '10.0.0.0/24',
    limit: 100,
    neighbors: 1,
    port: 179,
    remoteAs: 'external',
    localAs: 65001,
    held: undefined,
    since: 2_000,
  }
  const view = (rest: Partial<RangeView> = {}) => fakeView(undefined, { ranges: () => [{ ...range, ...rest }] })

  test('stands among the neighbors, in the order of names', () => {
    const names = [...said('show protocols', view()).matchAll(/^(?:1002-| )(\S+)/gm)].map(([, name]) => name)
    expect(names).toEqual(['Global_10_0_0_0_24', 'Global_10_0_0_9', 'Mesh_10_0_0_2', 'Node_10_0_0_3_port_1790'])
  })

  test.each([
    ['its name', 'Global_10_0_0_0_24'],
    ['its BGPPeer', 'rack'],
    ['a pattern', '"*_24"'],
  ])('is found by %s', (_name, text) => {
    const row = '1002-Global_10_0_0_0_24 BGP        ---        start  01:30:02.000  Passive       1 of 100 neighbors'
    expect(said(`show protocols ${text}`, view()).split('\n')[1]).toBe(row)
  })

  test('with everything', () => {
    const text = said('show protocols all rack', view())
    expect(text).toContain('   Neighbor range:   10.0.0.0/24\n')
    expect(text).toContain('   Neighbors:        1 of 100 neighbors\n')
    expect(text).toContain('   Neighbor AS:      external\n')
  })

  test('says why it takes nobody', () => {
    const text = said('show protocols rack', view({ held: 'BGPFilter/lost does not exist' }))
    expect(text).toMatch(/ down .* Down {10}Held: BGPFilter\/lost does not exist$/m)
  })

  test('in JSON has the shape of a neighbor', () => {
    const text = said('json show protocols rack', view())
    expect(JSON.parse(text.split('\n')[1] ?? '')).toMatchObject({
      name: 'Global_10_0_0_0_24',
      peer: '10.0.0.0/24',
      state: 'Passive',
      remoteAs: null,
      neighbors: 1,
      limit: 100,
    })
  })

  test('cannot be restarted, and why', () => {
    expect(said('restart rack', view())).toMatch(/^8901-Global_10_0_0_0_24: not done, a peerRange is not a neighbor/)
  })
})

describe('what a connection remembers', () => {
  test('restrict takes every acting word away, for good', () => {
    const client = newClient()
    const view = fakeView()
    expect(said('restrict', view, client)).toBe('0016 Access restricted\n')
    for (const line of ['disable all', 'json disable all', 'reload all', 'configure check', 'debug all off']) {
      expect(said(line, view, client)).toBe('8007 Access denied: this connection is read-only\n')
    }
    expect(view.actions).toEqual([])
    expect(said('show protocols', view, client)).toMatch(/^2002-/)
  })

  test('timeformat changes times where it says', () => {
    const client = newClient()
    const view = fakeView()
    said('timeformat protocol iso long', view, client)
    expect(said('show protocols', view, client)).toContain(' up     2026-11-21 01:30:01  Established')
    expect(said('show route', view, client)).toContain('[pod_cidr 01:30:07.907]')
  })
})

describe('long answers', () => {
  const many: readonly RouteRow[] = Array.from({ length: 1000 }, (_, at) => ({
    ...(ROUTES[0] as RouteRow),
    prefix: `10.${at >> 8}.${at & 255}.0/24`,
  }))

  test('are read from the RIB as they are taken', () => {
    const base = fakeView(many)
    let pages = 0
    const view: View = {
      ...base,
      routes: (query, from, limit) => {
        pages++
        return base.routes(query, from, limit)
      },
    }
    const lines = answer('show route', view, newClient())[Symbol.iterator]()
    for (let count = 0; count < 100; count++) lines.next()
    expect(pages).toBe(1)
    let rest = 100
    while (lines.next().done !== true) rest++
    expect([pages, rest]).toEqual([5, 2002])
  })

  test('no line is longer than birdc can take', () => {
    const route: RouteRow = {
      ...(ROUTES[0] as RouteRow),
      exportedTo: Array.from({ length: 300 }, (_, at) => `Global_2001_db8__${at}`),
      attributes: {
        ...BARE,
        asPath: [{ kind: 'sequence', asns: new Array<number>(1000).fill(4_200_000_000) }],
        communities: new Array<readonly [number, number]>(1000).fill([65535, 65535]),
        unknown: [{ type: 200, flags: 0xc0, value: new Uint8Array(4000) }],
      },
    }
    const lines = said('show route all', fakeView([route])).split('\n')
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(600)
    // Once more as the AS of origin, behind the prefix.
    expect(lines.join('\n').match(/4200000000/g)).toHaveLength(1001)
  })

  test('JSON of several pages is one value', () => {
    const text = said('json show route', fakeView(many))
    const json = text.split('\n').flatMap((line) => (/^(1900-| )/.test(line) ? [line.replace(/^1900-| /, '')] : []))
    expect(JSON.parse(json.join('\n'))).toHaveLength(1000)
  })
})

describe('readers of BIRD’s text find what they look for', () => {
  test.each([
    ['version', 'show status', /^1000-BIRD [0-9.]+$/m],
    ['router id', 'show status', /^1011-Router ID is [0-9.]+$/m],
    ['server time', 'show status', /^ Current server time is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/m],
    ['daemon', 'show status', /^0013 Daemon is up/m],
    ['protocol line', 'show protocols', /^1002-\S+\s+BGP\s+---\s+up\s+\S+\s+Established\s+$/m],
    ['its error', 'show protocols', /^ \S+\s+BGP\s+---\s+start\s+\S+\s+Active\s+Received: Bad peer AS$/m],
    ['counts', 'show protocols all', /^ {5}Routes:\s+\d+ imported, \d+ filtered, \d+ exported, \d+ preferred$/m],
    ['changes', 'show protocols all', /^ {7}Import updates:(\s+(\d+|---)){5}$/m],
    ['filter', 'show protocols all', /^ {5}Input filter: {3}\S+/m],
    ['route', 'show route', /^ 10\.2\.0\.0\/24\s+unicast \[[\w.:]+ [0-9:.]+\] \* \(100\) \[\S+\]$/m],
    ['gateway', 'show route', /^ \tvia [0-9a-f.:]+ on \S+$/m],
    ['count', 'show route count', /^1007-\d+ of \d+ routes for \d+ networks in table master4$/m],
  ])('%s', (_name, line, expected) => {
    expect(said(line)).toMatch(expected)
  })
})
