import { describe, expect, test } from 'vitest'
import { FAMILIES } from '../../src/base/family.ts'
import { FirstSync, type SyncingNeighbor } from '../../src/engine/first-sync.ts'

/** Neighbors as plain values; `told` counts routes of each family, `ended` says End-of-RIB. */
class Rack {
  now = 1_000
  awaitsKeys = false
  readonly up = new Map<string, { conn: number; told: number; ended: boolean; restarted: boolean } | undefined>()
  readonly stopped = new Set<string>()
  readonly sync = new FirstSync(
    {
      neighbors: () => [...this.up.keys()].map((name) => this.#neighbor(name)),
      areKeysRead: () => !this.awaitsKeys,
      counts: (name) => {
        const { told = 0, ended = false } = this.up.get(name) ?? {}
        const counter = { received: told, rejected: 0, filtered: 0, ignored: 0, accepted: told }
        return { importUpdates: counter, importWithdraws: { ...counter, received: 0 }, endOfRibReceived: ended }
      },
    },
    this.now,
  )

  #neighbor(name: string): SyncingNeighbor {
    const seen = this.up.get(name)
    const session = seen && {
      conn: seen.conn,
      families: FAMILIES,
      restart: seen.restarted
        ? {
            time: 120,
            restarted: true,
            notification: true,
            families: FAMILIES,
            preserved: FAMILIES,
            longLived: undefined,
          }
        : undefined,
    }
    return { name, isStopped: this.stopped.has(name), session }
  }

  add(name: string, told = 0, more: { ended?: boolean; restarted?: boolean; conn?: number } = {}): this {
    this.up.set(name, { conn: 2, told, ended: false, restarted: false, ...more })
    return this
  }

  /** Seconds until it is over, looking as often as it wants to be asked. */
  overAfter(each: (seconds: number) => void = () => {}): number {
    for (let seconds = 0; seconds <= 200; seconds++) {
      each(seconds)
      if (this.sync.isOver(this.now)) return seconds
      expect(this.sync.deadline).toBeLessThanOrEqual(this.now + 1_000)
      this.now += 1_000
    }
    return Number.POSITIVE_INFINITY
  }
}

describe('the first sync is over', () => {
  test('not before keys are read, for want of which neighbors are held; after two minutes anyway', () => {
    const held = (): Rack => {
      const rack = new Rack()
      rack.up.set('a', undefined)
      rack.stopped.add('a')
      rack.awaitsKeys = true
      return rack
    }
    const rack = held()
    const isRead = (seconds: number) => {
      rack.awaitsKeys = seconds < 7
    }
    expect(rack.overAfter(isRead)).toBe(7)
    expect(held().overAfter()).toBe(120)
  })

  test('at once with End-of-RIB of every family from all', () => {
    expect(new Rack().add('a', 5, { ended: true }).add('b', 0, { ended: true }).overAfter()).toBe(0)
  })

  test('without End-of-RIB, behind a pause', () => {
    expect(new Rack().add('a', 5).overAfter()).toBe(15)
  })

  test('not while routes come, however long that is, and bounded', () => {
    const rack = new Rack()
    expect(rack.overAfter((seconds) => rack.add('a', Math.min(seconds, 40)))).toBe(55)
    const endless = new Rack()
    expect(endless.overAfter((seconds) => endless.add('a', seconds))).toBe(120)
  })

  test('later for one that says nothing at all', () => {
    expect(new Rack().add('a').overAfter()).toBe(30)
  })

  test('not by the silence of one that has restarted itself, but by the pause behind its routes', () => {
    const rack = new Rack()
    expect(rack.overAfter((seconds) => rack.add('a', seconds >= 70 ? 5 : 0, { restarted: true }))).toBe(85)
    const silent = new Rack()
    expect(silent.overAfter((seconds) => silent.add('a', 0, { restarted: true, ended: seconds >= 70 }))).toBe(70)
  })

  test('a pause begins anew with a new session', () => {
    const rack = new Rack()
    expect(rack.overAfter((seconds) => rack.add('a', 5, { conn: seconds < 10 ? 2 : 4 }))).toBe(25)
  })

  test('those that are not up are waited for, not for ever, and not where nobody dials them', () => {
    const rack = new Rack()
    rack.up.set('gone', undefined)
    expect(rack.overAfter()).toBe(30)
    const held = new Rack()
    held.up.set('held', undefined)
    held.stopped.add('held')
    expect(held.overAfter()).toBe(0)
  })
})
