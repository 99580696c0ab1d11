import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../../src/show/commands.ts'
import { completionsFor, helpFor, parseCommand } from '../../src/show/parse.ts'

const command = (line: string) => {
  const asked = parseCommand(line)
  return asked.kind === 'command' ? asked.command : asked.text
}

const ROUTE = {
  kind: 'show-route',
  for: undefined,
  in: undefined,
  table: undefined,
  protocol: undefined,
  export: undefined,
  preexport: undefined,
  noexport: undefined,
  filter: undefined,
  where: undefined,
  filtered: false,
  primary: false,
  all: false,
  count: false,
  stats: false,
}
const named = (text: string) => ({ kind: 'name', text })
const pattern = (text: string) => ({ kind: 'pattern', text })

describe('commands', () => {
  test.each([
    ['show status', { kind: 'show-status' }],
    ['  sh\tstatu  ', { kind: 'show-status' }],
    ['show protocols', { kind: 'show-protocols', all: false, which: undefined }],
    ['s p a', { kind: 'show-protocols', all: true, which: undefined }],
    ['show protocols Mesh_1 all', { kind: 'show-protocols', all: true, which: named('Mesh_1') }],
    ['show protocols all "Mesh_*"', { kind: 'show-protocols', all: true, which: pattern('Mesh_*') }],
    ['show protocols Mesh_*', { kind: 'show-protocols', all: false, which: pattern('Mesh_*') }],
    ['show protocols "all"', { kind: 'show-protocols', all: false, which: pattern('all') }],
    ['show route', ROUTE],
    ['s r c', { ...ROUTE, count: true }],
    ['show route protocol X', { ...ROUTE, protocol: 'X' }],
    ['show route all noexport X primary', { ...ROUTE, all: true, noexport: 'X', primary: true }],
    ['show route primary export X all', { ...ROUTE, all: true, export: 'X', primary: true }],
    ['show route table master6 filtered', { ...ROUTE, table: 'ipv6', filtered: true }],
    // As birdwatcher and bird-lg-go ask: a name in single quotes, wherever a name may stand.
    ["show route table 'master4' all", { ...ROUTE, table: 'ipv4', all: true }],
    ["show route all noexport 'Mesh_1'", { ...ROUTE, all: true, noexport: 'Mesh_1' }],
    ["show protocols all 'all'", { kind: 'show-protocols', all: true, which: named('all') }],
    ["disable 'M*'", { kind: 'disable', which: named('M*'), message: '' }],
    ['show route table all stats', { ...ROUTE, stats: true }],
    ['show route preexport X', { ...ROUTE, preexport: 'X' }],
    ['show route filter BGPFilter_lab', { ...ROUTE, filter: 'BGPFilter_lab' }],
    ['show ospf', { kind: 'show-absent', protocol: 'OSPF' }],
    ['show ospf neighbors ospf1', { kind: 'show-absent', protocol: 'OSPF' }],
    ['show rip interfaces', { kind: 'show-absent', protocol: 'RIP' }],
    ['show babel entries', { kind: 'show-absent', protocol: 'Babel' }],
    ['configure timeout', { kind: 'configure', check: false }],
    ['configure confirm', { kind: 'configure-confirm' }],
    ['configure undo', { kind: 'configure-undo' }],
    ['down', { kind: 'down' }],
    ['eval 1+1', { kind: 'eval' }],
    ['show interfaces', { kind: 'show-interfaces', summary: false }],
    ['show callers', { kind: 'show-callers' }],
    ['show i s', { kind: 'show-interfaces', summary: true }],
    ['show memory', { kind: 'show-memory' }],
    ['show services', { kind: 'show-services' }],
    ['show nat', { kind: 'show-nat' }],
    ['enable all', { kind: 'enable', which: pattern('*'), message: '' }],
    ['disable X "new cable"', { kind: 'disable', which: named('X'), message: 'new cable' }],
    ['disable X maintenance', { kind: 'disable', which: named('X'), message: 'maintenance' }],
    ['restart "M?" ""', { kind: 'restart', which: pattern('M?'), message: '' }],
    ['reload X', { kind: 'reload', which: named('X'), direction: 'both' }],
    ['reload in X', { kind: 'reload', which: named('X'), direction: 'in' }],
    ['reload out all', { kind: 'reload', which: pattern('*'), direction: 'out' }],
    ['configure', { kind: 'configure', check: false }],
    ['conf check "file"', { kind: 'configure', check: true }],
    ['debug X { states, routes }', { kind: 'debug', which: named('X'), on: true }],
    ['debug all off', { kind: 'debug', which: pattern('*'), on: false }],
    ['restrict', { kind: 'restrict' }],
    ['echo off', { kind: 'echo', on: false }],
    [
      'timeformat iso long ms',
      { kind: 'timeformat', where: ['base', 'protocol', 'route'], style: { length: 'long', digits: 3 } },
    ],
    ['timeformat route iso short', { kind: 'timeformat', where: ['route'], style: { length: 'short', digits: 0 } }],
    ['help', { kind: 'help', about: '' }],
    ['help show', { kind: 'help', about: 'show' }],
    ['show ?', { kind: 'help', about: 'show' }],
    ['show route?', { kind: 'help', about: 'show route' }],
    ['?', { kind: 'help', about: '' }],
  ])('%s', (line, expected) => {
    expect(command(line)).toEqual(expected)
  })

  test.each([
    ['show route for 10.1.2.3', 'for', '10.1.2.3/32'],
    ['show route 10.1.2.3/8', 'for', '10.0.0.0/8'],
    ['show route for 2001:DB8::1 all', 'for', '2001:db8::1/128'],
    ['show route all in 2001:db8::/32', 'in', '2001:db8::/32'],
  ])('prefix of %s', (line, key, text) => {
    expect(command(line)).toMatchObject({ kind: 'show-route', [key]: { text } })
  })

  test('json is a word in front of any command', () => {
    expect(parseCommand('json show status')).toMatchObject({ json: true, command: { kind: 'show-status' } })
    expect(parseCommand('show status')).toMatchObject({ json: false })
  })

  test('commands that act say so', () => {
    const acting = ['enable x', 'disable x', 'restart x', 'reload x', 'configure check', 'debug x all']
    for (const line of acting) expect([line, parseCommand(line)]).toMatchObject([line, { acts: true }])
    for (const line of ['show status', 'restrict', 'help', 'echo off']) {
      expect([line, parseCommand(line)]).toMatchObject([line, { acts: false }])
    }
  })
})

describe('lines that are wrong', () => {
  test.each([
    ['', /^syntax error, unexpected end, expecting show, enable/],
    ['foo', /^syntax error, unexpected "foo", expecting show/],
    [
      'show',
      /expecting status, protocols, summary, explain, route, interfaces, callers, filters, memory, services, static, symbols, bfd or nat$/,
    ],
    ['show s', /^syntax error, ambiguous "s", could be status, summary, services, static or symbols$/],
    ['re x', /ambiguous "re", could be restart, reload or restrict$/],
    ['show route f', /ambiguous "f", could be for, filtered or filter$/],
    ['show status extra', /unexpected "extra", expecting the end$/],
    ['show route for', /unexpected end, expecting <ip\|prefix>$/],
    ['show route for 10.0.0.0/33', /unexpected "10.0.0.0\/33", expecting an IP address or prefix$/],
    ['show route 1.2.3.4 for 1.2.3.4', /it was given already$/],
    ['show route count count', /unexpected "count"/],
    ['show route table master9', /unexpected "master9", expecting master4, master6 or all$/],
    ['show route table master6 for 1.2.3.4', /1.2.3.4\/32 cannot be in master6$/],
    ['show route export A noexport B', /"export" and "noexport" together$/],
    ['enable', /expecting <protocol>/],
    ['enable x y z', /unexpected "z"/],
    ['reload in out x', /"in" and "out" together$/],
    ['disable x "no end', /expecting a closing "$/],
    ['debug x { states', /expecting a closing }$/],
    ['"show" status', /unexpected text "show"/],
    ['configure later "x" y', /unexpected "later", expecting check, confirm/],
    ['timeformat iso', /expecting short or long$/],
    ['json', /unexpected end/],
  ])('%s', (line, text) => {
    expect(parseCommand(line)).toMatchObject({ kind: 'error', text: expect.stringMatching(text) })
  })
})

/** Each of these is a field of every object in JavaScript. */
describe('names of Object.prototype are names like any other', () => {
  const names = Object.getOwnPropertyNames(Object.prototype)
  test.each([
    'NAME',
    'show NAME',
    'show symbols NAME',
    'show static NAME',
    'show route NAME',
    'show route table NAME',
    'show route protocol NAME',
    'show route where NAME = 1',
    'show route where net.NAME = 1',
    'show route where bgp_path.NAME',
    'show route where proto ~ NAME',
    'timeformat NAME long',
    'configure NAME',
  ])('%s', (line) => {
    const shape = (name: string) =>
      JSON.stringify(parseCommand(line.replace('NAME', name)), (_, value: unknown) =>
        typeof value === 'function' ? 'a function' : value,
      ).replaceAll(name, 'NAME')
    for (const name of names) expect(shape(name), name).toBe(shape('nonsense'))
  })
})

describe('help and completion', () => {
  test.each(['json help show', 'json show ?'])('%s is answered with JSON', (line) => {
    expect(parseCommand(line)).toMatchObject({ command: { kind: 'help' }, json: true })
  })

  const VISIBLE = COMMANDS.filter(({ hidden }) => hidden !== true)
  const SHOWN = VISIBLE.filter(({ words }) => words[0] === 'show').length

  test('every command is listed, and each lists its options', () => {
    expect(helpFor('')).toHaveLength(VISIBLE.length)
    for (const { words, options } of VISIBLE) expect(helpFor(words.join(' '))).toHaveLength(options.length + 1)
  })

  test.each([
    ['show', SHOWN],
    ['sh', SHOWN],
    ['show route', 16],
    ['json show', SHOWN],
    ['nothing', 0],
  ])('rows behind %s', (about, rows) => {
    expect(helpFor(about)).toHaveLength(rows)
  })

  test.each([
    ['', ['show', 'enable', 'disable', 'restart', 'reload', 'json'], '', false],
    ['sho', ['show'], 'sho', false],
    ['show ', ['status', 'protocols', 'route', 'interfaces', 'filters', 'memory', 'services', 'nat'], '', false],
    ['show pro', ['protocols'], 'pro', false],
    ['show protocols ', ['all'], '', true],
    ['show route protocol ', [], '', true],
    ['show route protocol G', [], 'G', true],
    ['show route table ', ['master4', 'master6'], '', false],
    ['show route all co', ['count'], 'co', false],
    ['json sh', ['show'], 'sh', false],
    ['disable ', ['all'], '', true],
  ])('TAB behind "%s"', (line, words, part, names) => {
    const completion = completionsFor(line)
    expect(completion).toMatchObject({ part, names })
    expect(completion.words).toEqual(expect.arrayContaining(words))
    if (words.length === 0) expect(completion.words).toEqual([])
  })

  test('a word that was used is not offered again', () => {
    expect(completionsFor('show route all ').words).not.toContain('all')
  })
})
