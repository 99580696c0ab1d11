/**
 * What the worst turn of each input may cost, in blocks of code that ran: at a fifth of the size that the budget
 * names, where every slice is full already, so that no bound grows with the cluster. `npm run work` shows the whole size, and
 * CPU time, which is not the same for each block (TRIED.md).
 */
import { afterAll, expect, test } from 'vitest'
import { WorkCounter } from '../fuzz/work.ts'
import { makeInputs, sizeOf } from './inputs.ts'

const size = sizeOf(0.2)

/** 64 KiB of UPDATEs, or 4,096 prefixes decided, filed and told. */
const SLICE = 1_000_000
/** One page of an answer. */
const PAGE = 150_000
/** All questions that a line can hold, of the attributes of a route as long as a message. */
const QUESTIONS = 200_000
/** What a turn takes for objects, and the routes that follow from it. Counts differ by a tenth from run to run. */
const OBJECTS = 350_000
/** As many sessions as one turn ends. */
const LOSSES = 90_000
/** A command about all neighbors: some of them, and the part of the answer that says so. */
const COMMAND = 60_000
/** What a turn takes for next hops that change, and for what follows from the kernel's routes. */
const KERNEL = 190_000
/** What a turn takes for routes that the kernel reports, 512 of which come in one Input. */
const REPORTED = 60_000
/**
 * The same where each is compared with a route of ours, in a dozen tables that are spread: a lookup there is six small blocks,
 * so that this is 6 ms at a load of 17, where 60,000 blocks with tables that move as a whole were 22.
 */
const COMPARED_WITH_OURS = 190_000
/** Addresses of a link, each compared with what it was. */
const COMPARED = 20_000
/** What is seen to change nothing. */
const LITTLE = 3_000

const BOUNDS: Readonly<Record<string, number>> = {
  'first list of nodes': OBJECTS,
  'first list of services': OBJECTS,
  'a label of a node': LITTLE,
  'a label of a node that a selector names': OBJECTS,
  'a node comes': OBJECTS,
  'a node goes': OBJECTS,
  'an endpoint of a service': LITTLE,
  'relist of nodes': OBJECTS,
  'relist of services': OBJECTS,
  'policy of the whole mesh': OBJECTS,
  'other service ranges': OBJECTS,
  'the mesh ends': OBJECTS,
  'a service with 50,000 addresses': OBJECTS,
  'a service with as many as are taken': OBJECTS,
  'its endpoint comes and goes': OBJECTS,
  'services that want one address': OBJECTS,
  'and no longer do': OBJECTS,
  'a node with 50,000 addresses and labels': OBJECTS,
  'a long selector': OBJECTS,
  'a filter of 10,000 rules': OBJECTS,
  'such a filter changes in every rule': OBJECTS,
  'such a filter is served again': OBJECTS,
  'communities for 500 prefixes': OBJECTS,
  'many prefixes advertised': SLICE,
  'and with a community': SLICE,
  'and no longer': SLICE,
  'namespaces advertised': OBJECTS,
  'services advertised by long selectors': OBJECTS,
  'pools advertised by long selectors': OBJECTS,
  'pools for them': OBJECTS,
  'many advertisements, with many peers': OBJECTS,
  'one more': OBJECTS,
  'services covered by many advertisements': OBJECTS,
  'and by none': OBJECTS,
  'pods advertised': OBJECTS,
  'blocks of all nodes': OBJECTS,
  'all blocks are ours': OBJECTS,
  'one block more': OBJECTS,
  'blocks whose addresses all others have': OBJECTS,
  'and they are released': OBJECTS,
  'as many pod CIDRs of each node as are taken': OBJECTS,
  'and none': OBJECTS,
  'long selectors of many peers': 1.5 * OBJECTS,
  'a session': 20_000,
  'routes learned, IPv4': SLICE,
  'routes learned, IPv6': SLICE,
  'a neighbor comes to a full table': SLICE,
  'a question that finds nothing': PAGE,
  'a count that finds nothing': PAGE,
  'policy of all neighbors': SLICE,
  'the neighbor that told all is lost': SLICE,
  'many paths to each prefix': SLICE,
  'their neighbor is lost': SLICE,
  'routes through a filter of many rules': 1.5 * SLICE,
  'such a filter changes': SLICE,
  'routes with long attributes': PAGE,
  'all routes with long attributes': PAGE,
  'many communities asked for': QUESTIONS,
  'a set of communities asked for': QUESTIONS,
  'a mask asked for': PAGE,
  'a set of AS numbers asked for': PAGE,
  'policy of all sessions': OBJECTS,
  'a look at all sessions': PAGE,
  'filters of all sessions': PAGE,
  'a summary of all sessions': PAGE,
  'what is advertised to all sessions': PAGE,
  'all routes, with whom they are advertised to': PAGE,
  'BFD loses neighbors': LOSSES,
  'all hold timers expire': LOSSES,
  'drain all': COMMAND,
  'undrain all': COMMAND,
  'reload all': COMMAND,
  'restart all': COMMAND,
  'disable all': COMMAND,
  'enable all': COMMAND,
  'this node leaves': COMMAND,
  'and returns': COMMAND,
  'a link with the addresses of all services': OBJECTS,
  'one of its addresses goes and comes': COMPARED,
  'links of many pods': OBJECTS,
  'a link of one pod goes and comes': LITTLE,
  'the link of all neighbors has another MTU': OBJECTS,
  "the kernel's routes, for the first time": REPORTED,
  'routes into the kernel': SLICE,
  'the route of one pod': LITTLE,
  'a next hop is lost': KERNEL,
  'a next hop is back': KERNEL,
  'a link is lost': SLICE,
  'a link is back': REPORTED,
  'many routes of others to one prefix': REPORTED,
  'and one after the other they go': REPORTED,
  'routes of others in the place of all of ours': COMPARED_WITH_OURS,
  'and they go again': COMPARED_WITH_OURS,
  'another program removes all of ours': COMPARED_WITH_OURS,
  'no route can be written': COMPARED_WITH_OURS,
  'services advertised, of which packets may loop': KERNEL,
  'one service more': KERNEL,
  'learned ways are allowed': KERNEL,
  'all is withdrawn from the kernel': SLICE,
  'addresses of nodes that NAT spares': OBJECTS,
  'one node more that NAT spares': OBJECTS,
  'routes to all nodes': OBJECTS,
  'a route to one node more': OBJECTS,
  'a label of a node with a route': LITTLE,
  'routes to nodes by BGP again': OBJECTS,
  'objects of people': OBJECTS,
  'the Lease is ours': OBJECTS,
  'one object of people': OBJECTS,
}

const counter = new WorkCounter()
afterAll(() => counter.close())

test('no turn costs more than is stated, whatever comes in', { timeout: 900_000 }, async () => {
  const inputs = await makeInputs(counter)
  const found: Record<string, number> = {}
  for (const { name, worst } of inputs(size)) found[name] = worst
  expect(Object.keys(found)).toEqual(Object.keys(BOUNDS))
  const over = Object.entries(found).filter(([name, worst]) => worst > (BOUNDS[name] ?? 0))
  expect(over).toEqual([])
  // Blocks were counted at all: what does much says so.
  expect(found['routes learned, IPv4']).toBeGreaterThan(50_000)
})

test.each(['ipv4', 'ipv6', 'blocks'] as const)('%s: the insert that outgrows a table moves few slots', async (what) => {
  const { PrefixTable } = await import('../../src/bgp/rib/prefix-table.ts')
  const { ByteTable } = await import('../../src/bgp/route/byte-table.ts')
  const { KNOWN_KEY } = await import('../../src/bgp/route/hash.ts')
  const prefixes = what === 'blocks' ? undefined : new PrefixTable(what, KNOWN_KEY)
  const blocks = new ByteTable(KNOWN_KEY)
  const bytes = new Uint8Array(40)
  const insert = (number: number): void => {
    new DataView(bytes.buffer).setUint32(0, number * 256)
    if (prefixes === undefined) blocks.intern(bytes, 0, 40)
    else prefixes.retain(prefixes.insert(bytes, 0, what === 'ipv4' ? 24 : 64))
  }
  let worst = 0
  for (let number = 1; number <= 300_000; number++) {
    // Tables grow when they hold half a power of two, columns at other sizes near one.
    const isNearPower = Math.abs(number - 2 ** Math.round(Math.log2(number))) <= 3
    if (isNearPower)
      worst = Math.max(
        worst,
        counter.count(() => insert(number)),
      )
    else insert(number)
  }
  // The sixteen slots of one insert, and whole runs.
  expect(worst).toBeLessThan(1_500)
})
