/** Memory that routes do not use any more is given back: tables of tens of thousands. */
import { describe, expect, test } from 'vitest'
import { countAll } from '../support/count.ts'
import { ipv4Feed } from '../support/feed.ts'
import { neighbor, prefix, withdrawal } from '../support/rib.ts'
import { Site } from '../support/rib-site.ts'

describe('what is not used any more is given back', () => {
  const a = neighbor(1)
  const COUNT = 35_000
  const fed = (index: number): string => `${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`
  const total = (site: Site): number => site.rib.memory().reduce((sum, { bytes }) => sum + bytes, 0)

  const work = (site: Site): void => {
    while (site.rib.busy) site.rib.advance(1000, site.now)
  }

  function feed(site: Site, first: number, count: number): void {
    for (const chunk of ipv4Feed(first, count))
      for (let at = 0; at < chunk.length; ) {
        const end = at + ((chunk[at + 16] as number) << 8) + (chunk[at + 17] as number)
        site.rib.receive(a.name, chunk, at, end, site.now)
        at = end
      }
    work(site)
  }

  function unsay(site: Site, indexes: readonly number[]): void {
    for (let at = 0; at < indexes.length; at += 500) {
      const bytes = withdrawal(indexes.slice(at, at + 500).map(fed))
      site.rib.receive(a.name, bytes, 0, bytes.length, site.now)
    }
    work(site)
  }

  /** Time passes, and the RIB does what it asks to be called for. */
  function pass(site: Site, millis: number): void {
    site.now += millis
    for (let due = site.rib.deadline(); due !== undefined && due <= site.now; due = site.rib.deadline()) {
      site.rib.notice(due)
      while (site.rib.busy) site.rib.advance(1000, due)
    }
  }

  const spike = new Site([a])
  const empty = total(spike)
  const all = Array.from({ length: COUNT }, (_, index) => index)

  test('within a minute: what stays is the same, and churn brings it to the front of columns that are cut', () => {
    feed(spike, 0, COUNT)
    unsay(
      spike,
      all.filter((index) => index % 35 !== 7),
    )
    const before = countAll(spike.rib)
    expect(before.ipv4.paths).toBe(COUNT / 35)
    pass(spike, 60_000)
    expect(spike.rib.deadline()).toBeUndefined()
    expect(countAll(spike.rib)).toEqual(before)
    for (let index = 7; index < COUNT; index += 3_500)
      expect(spike.rib.page({ for: prefix(fed(index)) }, undefined, 1).rows).toHaveLength(1)
    const held = total(spike)
    feed(spike, 100_002, 3_500)
    unsay(
      spike,
      all.filter((index) => index % 35 === 7),
    )
    pass(spike, 60_000)
    expect(spike.held(a)).toBe(3_500)
    expect(total(spike) - empty).toBeLessThan((held - empty) / 2)
  })

  test('all of it when the neighbor is lost, and not before twenty seconds: one that flaps has its memory again', () => {
    feed(spike, 0, COUNT)
    spike.rib.removePeer(a.name)
    work(spike)
    const before = total(spike)
    pass(spike, 19_000)
    expect(total(spike)).toBe(before)
    pass(spike, 60_000)
    expect(total(spike)).toBeLessThan(before / 2)
    expect(total(spike) - empty).toBeLessThan(500_000)
    spike.rib.addPeer(a)
    feed(spike, 0, 7)
    expect(spike.held(a)).toBe(7)
  })
})
