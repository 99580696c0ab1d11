/** Our NAT on the real kernel: what the other side sees. Root and nft only; namespaces of their own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { finish } from '../../../src/base/work.ts'
import type { PoolNat } from '../../../src/cluster/pool.ts'
import { planNat } from '../../../src/dataplane/nat.ts'
import { ADOPT_TABLE, type NftScript, renderNft, type SetChange } from '../../../src/dataplane/nft-script.ts'
import { findDifference, type NftTable } from '../../../src/dataplane/nft-table.ts'
import type { OpenNetlink } from '../../../src/edge/kernel/netlink-socket.ts'
import { Nft } from '../../../src/edge/kernel/nft.ts'
import { NftOwner } from '../../../src/edge/kernel/nft-owner.ts'
import type { Input } from '../../../src/engine/input.ts'
import { until } from '../../support/loopback.ts'
import { hasNft, Namespace } from '../../support/namespace.ts'
import { netlinkIn } from '../../support/netlink-in.ts'

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix
const NAT: PoolNat = { exclude: [], address: undefined, ports: undefined, fullyRandom: true }

/** `six`: what is different for the IPv6 pool, where not the same as for the other. */
function scriptFor(natOutgoing: boolean, more: Partial<PoolNat> = {}, six = more) {
  const pools = ['10.244.0.0/16', 'fd00:244::/48'].map((text, index) => ({
    name: `pods${index}`,
    prefix: prefix(text),
    disabled: false,
    labels: {},
    disableBgpExport: false,
    loadBalancerOnly: false,
    natOutgoing,
    nat: { ...NAT, ...(index === 0 ? more : six) },
  }))
  const ownPods = { own: [], lent: [] }
  const intent = { pools, podCidrs: [], ownPods, nodeAddresses: [], nodeHosts: [], ownAddresses: [] }
  const rest = {
    natSparesHosts: false,
    hasServiceRanges: false,
    serviceRanges: [],
    recursiveNextHops: false,
    serviceLoopPrevention: 'Drop',
    proxied: [],
    ...NO_NODE_ROUTES,
  } as const
  return renderNft({ nat: finish(planNat({ ...intent, ...rest })), loops: NO_LOOPS, keepsNat: true })
}

const NO_NODE_ROUTES = { nodeRoutes: { direct: undefined, leftToFelix: [], podless: { first: [], count: 0 } } }
const NOTHING = { ipv4: [], ipv6: [] }
const NO_LOOPS = { verdict: undefined, services: NOTHING, spared: NOTHING, returned: NOTHING }

describe.skipIf(!hasNft)('NAT seen from outside (needs root and nft)', () => {
  let [node, pod, outside]: (Namespace | undefined)[] = []
  let inputs: Input[] = []
  let nft: Nft | undefined
  let seq = 0
  /** Octets that netlink answered or told. */
  let received = 0
  const counted =
    (open: OpenNetlink): OpenNetlink =>
    (options) => {
      const socket = open(options)
      const receive = socket.receive.bind(socket)
      socket.receive = () => {
        const bytes = receive()
        if (typeof bytes !== 'string') received += bytes.length
        return bytes
      }
      return socket
    }
  const children: ChildProcessWithoutNullStreams[] = []

  const here = () => {
    if (node === undefined || pod === undefined || outside === undefined || nft === undefined) throw new Error('no lab')
    return { node, pod, outside, nft }
  }
  const table = (): NftTable | undefined => {
    const last = inputs.findLast((input) => input.kind === 'nft-table')
    return last?.kind === 'nft-table' ? last.table : undefined
  }
  const difference = (script: NftScript) => finish(findDifference(script, table(), undefined))
  const tables = () => inputs.filter(({ kind }) => kind === 'nft-table').length

  beforeEach(async () => {
    node = new Namespace('node')
    pod = new Namespace('pod')
    outside = new Namespace('outside')
    node.connect('pod0', pod, 'eth0')
    node.connect('up0', outside, 'eth0')
    node.address('pod0', '10.244.1.1/24', 'fd00:244:0:1::1/64')
    pod.address('eth0', '10.244.1.2/24', 'fd00:244:0:1::2/64')
    node.address('up0', '203.0.113.2/24', '2001:db8::2/64')
    outside.address('eth0', '203.0.113.9/24', '2001:db8::9/64')
    node.run('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    pod.ip('route add default via 10.244.1.1')
    pod.ip('-6 route add default via fd00:244:0:1::1')
    outside.ip('route add 10.244.0.0/16 via 203.0.113.2')
    outside.ip('-6 route add fd00:244::/48 via 2001:db8::2')
    inputs = []
    nft = new Nft({ feed: (input) => inputs.push(input), enter: node.enter, openSocket: counted(netlinkIn(node)) })
    nft.open()
    await until('the first word', () => tables() > 0)
    await serve()
  })
  afterEach(async () => {
    await nft?.stop()
    for (const child of children.splice(0)) child.kill()
    for (const one of [node, pod, outside]) one?.remove()
  })

  const write = async (body: string) => {
    seq++
    const [number, before] = [seq, tables()]
    here().nft.perform({ kind: 'nft', seq: number, change: { kind: 'table', body } })
    await until('applied', () => inputs.some((input) => input.kind === 'applied' && input.seq === number))
    await until('read back', () => tables() > before)
    return inputs.find((input) => input.kind === 'applied' && input.seq === number)
  }

  /** The source address that a new flow of the pod has outside; its source port, asked on 8082. */
  const seen = (version: 4 | 6, port = 8080): Promise<string> =>
    new Promise((resolve) => {
      const to = version === 4 ? '203.0.113.9' : '2001:db8::9'
      const client = begin(
        here().pod,
        `require('net').connect(${port}, '${to}').on('data', (data) => process.stdout.write(data))`,
      )
      let got = ''
      client.stdout.on('data', (chunk: Buffer) => {
        got += chunk.toString()
      })
      client.once('close', () => resolve(got.replace('::ffff:', '')))
    })

  /** A program inside a namespace, ended with the test. */
  const begin = (space: Namespace, program: string): ChildProcessWithoutNullStreams => {
    const child = spawn('ip', [...space.enter.slice(1), process.execPath, '-e', program], { stdio: 'pipe' })
    children.push(child)
    return child
  }

  /** Tells everybody where he comes from; on another port a letter every 50 ms, twenty of them. */
  const serve = async () => {
    const server = begin(
      here().outside,
      `const { createServer } = require('net')
      createServer((s) => s.end(s.remoteAddress)).listen(8080, '::')
      createServer((s) => s.end(String(s.remotePort))).listen(8082, '::')
      createServer({ allowHalfOpen: true }, (s) => {
        let text = ''
        s.on('data', (data) => (text += data)).on('end', () => s.end(text + s.remoteAddress)).on('error', () => {})
      }).listen(8083, '::')
      createServer((s) => {
        let left = 20
        const timer = setInterval(() => {
          s.write('x')
          if (--left > 0) return
          clearInterval(timer)
          s.end(s.remoteAddress)
        }, 50)
      }).listen(8081, '::', () => console.log('up'))`,
    )
    let said = ''
    server.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await until('the server', () => said.includes('up'), 10_000)
  }

  test('off: the pod; on: the node; off again: the pod; for new flows, in both families', async () => {
    expect(table()).toBeUndefined()
    expect([await seen(4), await seen(6)]).toEqual(['10.244.1.2', 'fd00:244:0:1::2'])
    expect(await write(finish(scriptFor(true).body(0)))).toMatchObject({ failed: [] })
    expect([await seen(4), await seen(6)]).toEqual(['203.0.113.2', '2001:db8::2'])
    await here().nft.count()
    expect(
      table()
        ?.rules.map(({ packets }) => packets > 0)
        .slice(2, 4),
    ).toEqual([true, true])
    await write(finish(scriptFor(false).body(0)))
    expect([await seen(4), await seen(6)]).toEqual(['10.244.1.2', 'fd00:244:0:1::2'])
  })

  test('an excluded destination sees the pod, and the other family does not care', async () => {
    await write(finish(scriptFor(true, { exclude: [prefix('203.0.113.0/24')] }).body(0)))
    expect([await seen(4), await seen(6)]).toEqual(['10.244.1.2', '2001:db8::2'])
  })

  test('a fixed source address of each family is what the other side sees', async () => {
    here().node.address('up0', '203.0.113.77/24', '2001:db8::77/64')
    await write(finish(scriptFor(true, { address: '203.0.113.77' }, { address: '2001:db8::77' }).body(0)))
    expect([await seen(4), await seen(6)]).toEqual(['203.0.113.77', '2001:db8::77'])
    await write(finish(scriptFor(true, {}, { address: '2001:db8::77' }).body(0)))
    expect([await seen(4), await seen(6)]).toEqual(['203.0.113.2', '2001:db8::77'])
  })

  test.each([true, false])('source ports are of the range, fully-random or not: %s', async (fullyRandom) => {
    await write(finish(scriptFor(true, { ports: { first: 1024, last: 1039 }, fullyRandom }).body(0)))
    const ports = [await seen(4, 8082), await seen(6, 8082), await seen(4, 8082)].map(Number)
    for (const port of ports) expect(port >= 1024 && port <= 1039, `port ${port}`).toBe(true)
  })

  test('a flow that runs across the switch goes on as it began', async () => {
    await write(finish(scriptFor(true).body(0)))
    let got = ''
    begin(here().pod, "require('net').connect(8081, '203.0.113.9').pipe(process.stdout)").stdout.on('data', (chunk) => {
      got += chunk
    })
    await until('the first bytes', () => got.length > 2, 10_000)
    expect(got).not.toContain('203')
    await write(finish(scriptFor(false).body(0)))
    expect(here().node.run('nft list table inet godwit')).not.toContain('masquerade')
    expect(await seen(4)).toBe('10.244.1.2')
    await until('the whole download', () => got === `${'x'.repeat(20)}::ffff:203.0.113.2`, 10_000)
  })

  test.each([
    ['goes on, while those are spared', 7_200, 'xxxxxxxxxxxxxxxxxxxx10.244.1.2'],
    ['is taken for a new flow, and is lost, where they are not', 0, ''],
  ])('an upload that began before NAT was switched on %s', async (_, begun, whole) => {
    const client = begin(
      here().pod,
      `const socket = require('net').connect(8083, '203.0.113.9', () => process.stdout.write('up'))
      let left = 20
      setInterval(() => left-- > 0 ? socket.write('x') : socket.end(), 50)
      socket.on('data', (data) => process.stdout.write(data)).on('close', () => process.exit()).on('error', () => {})`,
    )
    let got = ''
    client.stdout.on('data', (chunk: Buffer) => {
      got += chunk.toString()
    })
    await until('the connection', () => got === 'up', 10_000)
    await write(finish(scriptFor(true).body(begun)))
    expect(table()?.begun).toBeGreaterThanOrEqual(begun - 10)
    expect(await seen(4)).toBe('203.0.113.2')
    await until('its end', () => client.exitCode !== null, 10_000)
    expect(got.slice(2).replace('::ffff:', '')).toBe(whole)
  })

  test('what is read back is what was written; a flush is told; a restart finds it unchanged', async () => {
    const ports = { first: 1024, last: 2047 }
    const exclude = [prefix('192.0.2.0/24'), prefix('198.51.100.7/32')]
    const script = scriptFor(true, { exclude, ports })
    expect(await write(finish(script.body(0)))).toMatchObject({ failed: [] })
    expect(difference(script)).toBeUndefined()
    // Nobody but us changes a table that is ours alone.
    if (table()?.isOwned === true) return
    const before = tables()
    here().node.run('nft flush chain inet godwit postrouting')
    await until('told', () => tables() > before)
    expect(difference(script)).toMatchObject({ why: 'the rules differ' })
  })

  test('a script that nft refuses changes nothing', async () => {
    const script = scriptFor(true)
    await write(finish(script.body(0)))
    const answer = await write(`${finish(script.body(0))}  chain x { nonsense }\n`)
    expect(answer).toMatchObject({ failed: [{ index: 0 }] })
    expect(difference(script)).toBeUndefined()
  })

  const vip = (index: number) => `10.96.${index >> 8}.${index & 255}`
  const ELEMENTS = ['203.0.113.0/24', '203.0.114.8', '203.0.114.9', '255.255.255.0/24', '128.0.0.0/1']
  const withSet = (elements: readonly string[]) => `  set services4 {
    typeof ip daddr; flags interval
    elements = { ${elements.join(', ')} }
  }
  set services6 {
    typeof ip6 daddr; flags interval
    elements = { ::, fd96::/112, fd97::1, ffff::/16 }
  }
`
  const change = async (changes: readonly SetChange[]) => {
    seq++
    const [number, before] = [seq, tables()]
    here().nft.perform({ kind: 'nft', seq: number, change: { kind: 'sets', changes } })
    await until('read back', () => tables() > before)
    return inputs.find((input) => input.kind === 'applied' && input.seq === number)
  }
  const elements = (set = 'services4') => [...(table()?.sets.get(set) ?? [])].sort()

  test('elements of sets are read as nft writes them', async () => {
    await write(withSet(ELEMENTS.slice(0, -1)))
    expect(elements()).toEqual(ELEMENTS.slice(0, -1).sort())
    expect(elements('services6')).toEqual(['::', 'fd96::/112', 'fd97::1', 'ffff::/16'].sort())
    const before = tables()
    here().node.run('nft add element inet godwit services4 { 192.0.2.1-192.0.2.9 }')
    await until('told', () => tables() > before)
    expect(elements()).toContain('192.0.2.1-192.0.2.9')
  })

  test('one element of ten thousand costs that one: the others are neither sent nor read again', async () => {
    await write(withSet(Array.from({ length: 10_000 }, (_, index) => vip(index))))
    expect(elements()).toHaveLength(10_000)
    const [octets, six] = [received, table()?.sets.get('services6')]
    expect(await change([{ set: 'services4', add: ['203.0.113.7'], remove: [vip(7)] }])).toMatchObject({ failed: [] })
    expect(received - octets).toBeLessThan(2_048)
    expect(elements()).toHaveLength(10_000)
    expect(elements()).toContain('203.0.113.7')
    expect(elements()).not.toContain(vip(7))
    expect(table()?.sets.get('services6')).toBe(six)
  })

  test('what others do to our sets is read; what they do elsewhere is not', async () => {
    await write(withSet(Array.from({ length: 1_000 }, (_, index) => vip(index))))
    const octets = received
    here().node.run('nft add table inet others')
    here().node.run('nft add set inet others services4 { typeof ip daddr; elements = { 192.0.2.1 }; }')
    await change([{ set: 'services4', add: [vip(1_000)], remove: [] }])
    expect(received - octets).toBeLessThan(4_096)
    const before = tables()
    here().node.run(`nft delete element inet godwit services4 { ${vip(3)} }`)
    await until('told', () => tables() > before)
    expect(elements()).toHaveLength(1_000)
    expect(elements()).not.toContain(vip(3))
  })

  test('a table that cannot be given an owner is tried once, not after each change', async () => {
    await nft?.stop()
    const { node } = here()
    node.run('nft -f -', `table inet godwit {\n${withSet([vip(1)])}}\n`)
    // This nft and kernel may not know owners: the dry run succeeds, and taking over a table is an error.
    const fake = `case "$*" in
      *'-c -f -') exit 0;;
      *-i) sed -u -e 's/^table inet godwit { flags owner.*/nonsense/' -e 's/flags owner, persist;//' \
        -e 's/^destroy table inet godwit;/table inet godwit; delete table inet godwit;/' | nft -i;;
      *) exec "$@";;
    esac`
    const tries = vi.spyOn(NftOwner.prototype, 'run')
    const adoptions = () => tries.mock.calls.filter(([script]) => script === ADOPT_TABLE).length
    const enter = [...node.enter, 'sh', '-c', fake, 'nft']
    const before = tables()
    nft = new Nft({ feed: (input) => inputs.push(input), enter, openSocket: counted(netlinkIn(node)) })
    nft.open()
    await until('the table', () => tables() > before && elements().length === 1)
    for (const index of [2, 3, 4])
      expect(await change([{ set: 'services4', add: [vip(index)], remove: [] }])).toMatchObject({ failed: [] })
    expect(await change([{ set: 'missing', add: [vip(5)], remove: [] }])).toMatchObject({ failed: [{ index: 0 }] })
    expect([elements().length, adoptions()]).toEqual([4, 1])
    tries.mockRestore()
  })

  test('a change that another one slips into is read back whole', async () => {
    await write(withSet([vip(1), vip(2)]))
    const other = here().node.enter
    const both = change([{ set: 'services4', add: [vip(3)], remove: [] }])
    const slips = spawn(other[0] as string, [
      ...other.slice(1),
      'nft',
      `delete element inet godwit services4 { ${vip(1)} }`,
    ])
    await Promise.all([both, new Promise((resolve) => slips.once('close', resolve))])
    await until('both', () => elements().join() === [vip(2), vip(3)].join())
  })
})
