/** A whole agent with a neighbor that says anything, and a good one that must not notice, nor be told anything wrong. */
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { context } from '../support/messages.ts'
import { bgpFilter } from '../support/objects.ts'
import { announcement, attributes, Listener } from '../support/rib.ts'
import { Rig } from '../support/rig.ts'
import type { Dice } from './grammar.ts'

const GOOD_ROUTES = ['172.16.0.0/16', '172.17.0.0/16', '172.18.1.0/24']
const GIVE_ALL = bgpFilter('give-all', { exportV4: [{ action: 'Accept' }], exportV6: [{ action: 'Accept' }] })
const MEMORY_LIMIT = 64 << 20
const CHECK_EVERY = 256
/** The engine's deadlines are drawn from its seed: a new agent now and then, so that a case can be found again. */
const LIFE = 20_000

export class SessionTarget {
  #listener = new Listener({ send: context('external'), peerType: 'external' })
  #rig = this.#begin()
  #cases = 0

  #begin(): Rig {
    const maxPrefixes = { ipv4: 5_000, ipv6: 5_000 }
    // What it says goes on wherever it may: the grammar's paths begin with its AS more often than with another.
    const through = { advertiseLearned: true, numAllowedLocalASNumbers: 10, filters: ['take-all', 'give-all'] }
    const spec = { holdTime: 0, maxPrefixes, ...through }
    const rig = new Rig({ neighbors: 2, asns: [65_009, 65_001], spec, objects: [GIVE_ALL] })
    this.#listener = new Listener({ send: context('external'), peerType: 'external' })
    const [good] = rig.neighbors
    if (good === undefined) throw new Error('no neighbor')
    good.holdTime = 0
    good.establish()
    const path = [{ kind: 'sequence', asns: [good.asn] }] as const
    good.send(announcement(GOOD_ROUTES, attributes({ asPath: path }), good.address))
    return rig
  }

  try(bytes: Uint8Array, dice: Dice): string {
    if (this.#cases++ % LIFE === 0) this.#rig = this.#begin()
    const rig = this.#rig
    const [, bad] = rig.neighbors
    if (bad === undefined) throw new Error('no neighbor')
    if (bad.conn === undefined) {
      bad.holdTime = 0
      // Now and then it comes with an OPEN of its own making.
      if (dice.one(0.97)) bad.establish()
      else bad.connect()
    }
    // Cut in two, so that the framer's buffers are used; the engine may not keep what it was handed.
    const cut = dice.one(0.5) ? bytes.length : dice.below(bytes.length + 1)
    for (const part of [bytes.slice(0, cut), bytes.slice(cut)]) {
      if (part.length === 0) continue
      bad.send(part)
      part.fill(0x5a)
    }
    if (!bad.ended && dice.one(0.02)) bad.send(KEEPALIVE)
    const outcome = bad.notification ?? (bad.ended ? 'ended' : 'on')
    bad.heard.length = 0
    rig.lines.length = 0
    this.#readAsGood()
    if (bad.ended || dice.one(0.01)) bad.hangUp()
    if (this.#cases % CHECK_EVERY === 0) this.#check()
    return outcome
  }

  /** Whatever came in, what goes on to the good one is without fault: a listener throws otherwise. */
  #readAsGood(): void {
    for (const bytes of this.#rig.neighbors[0]?.heard.splice(0) ?? []) if (bytes[18] === 2) this.#listener.take(bytes)
  }

  #check(): void {
    const rig = this.#rig
    const [good] = rig.neighbors
    if (good?.established !== true) throw new Error('the good neighbor lost its session')
    if (rig.held(good) !== GOOD_ROUTES.length) throw new Error(`the good neighbor has ${rig.held(good)} routes`)
    const memory = rig.memory()
    if (memory > MEMORY_LIMIT) throw new Error(`the tables take ${memory} bytes`)
  }
}
