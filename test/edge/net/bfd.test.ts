/** The door to the BFD engine, before a runner that does nothing but remember; the real thread at the end. */
import { describe, expect, test, vi } from 'vitest'
import type { BfdInput, BfdIntent, BfdNews } from '../../../src/bfd/types.ts'
import { BfdEdge, type StartBfd } from '../../../src/edge/net/bfd.ts'
import { startBfdThread } from '../../../src/edge/net/bfd-thread.ts'
import type { Input } from '../../../src/engine/input.ts'
import { intent } from '../../bfd/support.ts'
import { until } from '../../support/loopback.ts'

class Scene {
  readonly posted: BfdInput[] = []
  readonly inputs: Input[] = []
  started = 0
  hear: (news: readonly BfdNews[]) => void = () => {}
  ended: (reason: string) => void = () => {}
  readonly start: StartBfd = (hear, ended) => {
    this.started++
    Object.assign(this, { hear, ended })
    return { post: (input) => this.posted.push(input), stop: async () => {} }
  }
  readonly door: BfdEdge

  constructor(outlivesUs = false) {
    this.door = new BfdEdge({ feed: (input) => this.inputs.push(input), start: this.start, outlivesUs })
  }

  perform(...sessions: BfdIntent[]): void {
    this.door.perform({ kind: 'bfd', sessions })
  }
}

test('who stops does not wait for an answer of a runner that has ended meanwhile', async () => {
  vi.useFakeTimers()
  try {
    const scene = new Scene()
    scene.perform(intent())
    const stopped = scene.door.stop()
    scene.ended('its thread has ended')
    await stopped
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('however many are lost in one moment, an Input names a few, in their order', () => {
  const scene = new Scene()
  scene.perform(intent())
  const news = Array.from({ length: 1_000 }, (_, least): BfdNews => ({ kind: 'least-interval', least }))
  scene.hear(news)
  const inputs = scene.inputs.flatMap((one) => (one.kind === 'bfd' ? [one.news] : []))
  expect(Math.max(...inputs.map(({ length }) => length))).toBe(64)
  expect(inputs.flat()).toEqual(news)
})

describe('BFD that stands still', () => {
  const errors = (scene: Scene) => scene.inputs.flatMap((one) => (one.kind === 'bfd-error' ? [one.text] : []))
  const run = async (act: (scene: Scene) => void) => {
    vi.useFakeTimers()
    const scene = new Scene(true)
    try {
      scene.perform(intent())
      act(scene)
    } finally {
      vi.useRealTimers()
      scene.ended('the test is over')
      await scene.door.stop()
    }
  }

  test('is told of, and when it goes on it is asked for all that it knows', () =>
    run((scene) => {
      for (let second = 0; second < 20; second++) {
        scene.hear([])
        vi.advanceTimersByTime(1_000)
      }
      expect(scene.inputs).toEqual([])
      vi.advanceTimersByTime(60_000)
      expect(errors(scene)).toEqual([expect.stringContaining('it stands still')])
      scene.posted.length = 0
      scene.hear([{ kind: 'least-interval', least: 0 }])
      expect(errors(scene).at(-1)).toBeUndefined()
      expect(scene.posted).toEqual([{ kind: 'ask', id: 0 }])
    }))

  test('is not assumed where no sign of life has come, as from an older process', () =>
    run((scene) => {
      scene.hear([{ kind: 'least-interval', least: 0 }])
      scene.inputs.length = 0
      vi.advanceTimersByTime(60_000)
      expect(scene.inputs).toEqual([])
    }))

  test('is no error where nobody is to be watched', () =>
    run((scene) => {
      scene.hear([])
      scene.perform()
      vi.advanceTimersByTime(60_000)
      expect(scene.inputs).toEqual([])
      // It still stands still when somebody is.
      scene.perform(intent())
      vi.advanceTimersByTime(60_000)
      expect(errors(scene)).toEqual([expect.stringContaining('it stands still')])
    }))
})

test('nothing runs until somebody is to be watched', () => {
  const scene = new Scene()
  scene.perform()
  expect(scene.started).toBe(0)
  scene.perform(intent())
  expect(scene.started).toBe(1)
})

test('a process that outlives agents is told that nobody is to be watched, when it can be', async () => {
  const scene = new Scene(true)
  scene.perform()
  expect(scene.posted).toEqual([{ kind: 'sessions', sessions: [] }])
  scene.ended('connect ENOENT')
  // That it is not there is no error where nothing is asked of it.
  expect(scene.inputs).toEqual([])
  await until('another', () => scene.started === 2)
  expect(scene.posted).toHaveLength(2)
  scene.perform(intent())
  scene.ended('connect ENOENT')
  expect(scene.inputs).toEqual([{ kind: 'bfd-error', text: 'connect ENOENT' }])
  await scene.door.stop()
})

test('an engine that is gone is told of, and started again with what it shall do', async () => {
  const scene = new Scene()
  scene.perform(intent())
  scene.ended('its thread has ended')
  expect(scene.inputs).toEqual([{ kind: 'bfd-error', text: 'its thread has ended' }])
  await until('another', () => scene.started === 2)
  expect(scene.posted.at(-1)).toMatchObject({ kind: 'sessions', sessions: [{ remote: '10.0.0.1' }] })
  await scene.door.stop()
})

test('one that cannot be started is told of, and tried again', async () => {
  const inputs: Input[] = []
  let tries = 0
  const start = (): never => {
    tries++
    throw new Error('no file descriptor is left for BFD')
  }
  const door = new BfdEdge({ feed: (input) => inputs.push(input), start, outlivesUs: false })
  door.perform({ kind: 'bfd', sessions: [intent()] })
  expect(inputs).toEqual([{ kind: 'bfd-error', text: 'no file descriptor is left for BFD' }])
  await until('another try', () => tries === 2)
  await door.stop()
})

test('whoever asks is answered though the engine says nothing', async () => {
  const scene = new Scene()
  await scene.door.ask()
  scene.perform(intent())
  await scene.door.ask()
  expect(scene.posted.at(-1)).toEqual({ kind: 'ask', id: 1 })
  await scene.door.stop()
})

describe('the thread', () => {
  test('runs sessions, says what priority it got, and answers', async () => {
    const inputs: Input[] = []
    const door = new BfdEdge({
      feed: (input) => inputs.push(input),
      start: startBfdThread(false),
      outlivesUs: false,
    })
    // Nobody answers there; whether the port can be had depends on the machine.
    door.perform({ kind: 'bfd', sessions: [intent({ remote: '127.0.0.9', local: '127.0.0.1' })] })
    const news = () => inputs.flatMap((input) => (input.kind === 'bfd' ? input.news : []))
    await until('a report', () => news().some(({ kind }) => kind === 'report'), 10_000)
    await door.ask()
    expect(news().map(({ kind }) => kind)).toEqual(expect.arrayContaining(['priority', 'report', 'answer']))
    expect(news().findLast((one) => one.kind === 'report')).toMatchObject({ session: { remote: '127.0.0.9' } })
    await door.stop()
  })
})
