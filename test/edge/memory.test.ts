/** How often the heap is collected, in a process of its own. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const MEMORY = JSON.stringify(new URL('../../src/edge/memory.ts', import.meta.url).href)

/** Full collections while the same garbage is made beside 20 MB that stay, before and after it. */
const SCRIPT = `
  import { PerformanceObserver, constants } from 'node:perf_hooks'
  import { collectOftenFromNowOn } from ${MEMORY}
  let full = 0
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full++
  }).observe({ entryTypes: ['gc'] })
  const some = () => Array.from({ length: 20_000 }, (_, index) => ({ index, text: String(index) }))
  const kept = Array.from({ length: 10 }, some)
  async function collections() {
    const before = full
    const ring = []
    for (let round = 0; round < 120; round++) {
      ring[round % 3] = some()
      await new Promise(setImmediate)
    }
    return full - before
  }
  await collections()
  const before = await collections()
  collectOftenFromNowOn()
  await collections()
  console.log(JSON.stringify([before, await collections(), kept.length]))`

test('the heap is collected more often once the first lists are in', { timeout: 120_000 }, () => {
  const words = ['--heap-growing-percent=200', '--max-semi-space-size=4', '--input-type=module', '--eval', SCRIPT]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const [before = 0, after = 0] = JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8', env }))
  expect(after).toBeGreaterThan(before * 2)
})
