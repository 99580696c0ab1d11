import { execFile } from 'node:child_process'
import { createConnection, createServer } from 'node:net'
import { setImmediate as nextLook, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { Millis } from '../../src/base/units.ts'
import { systemClock } from '../../src/edge/clock.ts'
import { type DrivenEngine, Driver } from '../../src/edge/driver.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import { freePort, until } from '../support/loopback.ts'
import { nodeStatus } from '../support/node-status.ts'

const drained = (conn: number): Input => ({ kind: 'drained', conn })
const close = (conn: number): Effect => ({ kind: 'close', conn })

/** An engine that does as the test says. */
class Script implements DrivenEngine {
  readonly inputs: Input[] = []
  due: Millis | undefined
  onInput: (input: Input, now: Millis) => readonly Effect[] = () => []

  handle(input: Input, now: Millis): readonly Effect[] {
    this.inputs.push(input)
    return this.onInput(input, now)
  }

  deadline(): Millis | undefined {
    return this.due
  }

  get polled(): Extract<Input, { readonly kind: 'polled' }>[] {
    return this.inputs.filter((input) => input.kind === 'polled')
  }

  get ticks(): number {
    return this.inputs.filter(({ kind }) => kind === 'polled').length
  }
}

describe('the driver', () => {
  const engine = { current: new Script() }
  let driver: Driver

  function drive(perform: (effect: Effect) => void = () => {}, crash?: (error: unknown) => void): Script {
    engine.current = new Script()
    driver = new Driver({ engine: engine.current, clock: systemClock, perform, ...(crash && { crash }) })
    return engine.current
  }
  afterEach(() => driver.stop())

  test('an exception from the deadline ends it as one from a turn does, and not whoever fed', () => {
    const errors: unknown[] = []
    const script = drive(
      () => {},
      (error) => errors.push(error),
    )
    const error = new Error('no deadline')
    script.deadline = () => {
      throw error
    }
    driver.feed(drained(7))
    expect(errors).toEqual([error])
    driver.feed(drained(8))
    expect(script.inputs).toEqual([drained(7)])
  })

  test('a turn happens at once, and its effects in their order', () => {
    const seen: Effect[] = []
    const script = drive((effect) => seen.push(effect))
    script.onInput = () => [close(1), close(2), close(3)]
    driver.feed(drained(7))
    expect(script.inputs).toEqual([drained(7)])
    expect(seen).toEqual([close(1), close(2), close(3)])
  })

  test('the wall clock is told before each command, and after each status: its next moment follows that clock', () => {
    const clock = { epoch: 1_000, now: () => 0 }
    const script = drive()
    driver = new Driver({ engine: script, clock, perform: () => {} })
    driver.feed({ kind: 'command', client: 1, line: 'show status' })
    clock.epoch = 2_000
    script.onInput = ({ kind }) => (kind === 'tick' ? [{ kind: 'status', status: nodeStatus({}), spread: 0 }] : [])
    driver.feed({ kind: 'tick' })
    expect(script.inputs).toEqual([
      { kind: 'wall-clock', epoch: 1_000 },
      { kind: 'command', client: 1, line: 'show status' },
      { kind: 'tick' },
      { kind: 'wall-clock', epoch: 2_000 },
    ])
  })

  test('what an effect brings in waits until the turn is over', () => {
    const order: string[] = []
    const script = drive((effect) => {
      order.push(`effect ${'conn' in effect ? effect.conn : ''}`)
      if ('conn' in effect && effect.conn < 10) driver.feed(drained(effect.conn + 10))
    })
    script.onInput = (input) => {
      order.push(`turn ${'conn' in input ? input.conn : ''}`)
      return 'conn' in input && input.conn === 0 ? [close(1), close(2)] : []
    }
    driver.feed(drained(0))
    expect(order).toEqual(['turn 0', 'effect 1', 'effect 2', 'turn 11', 'turn 12'])
  })

  test('time is told when the deadline has come, not before', async () => {
    const script = drive()
    const due = systemClock.now() + 15
    script.due = due
    let at = 0
    script.onInput = (input, now) => {
      if (input.kind === 'polled') {
        at = now
        script.due = undefined
      }
      return []
    }
    driver.feed(drained(1))
    await until('a tick', () => script.ticks > 0)
    expect(at).toBeGreaterThanOrEqual(due)
  })

  test('a deadline that moved away or vanished brings no tick', async () => {
    const script = drive()
    script.due = systemClock.now() + 5
    driver.feed(drained(1))
    script.due = systemClock.now() + 10_000
    driver.feed(drained(2))
    await sleep(20)
    script.due = undefined
    driver.feed(drained(3))
    await sleep(5)
    expect(script.ticks).toBe(0)
  })

  test('after a long pause the sockets are read before time is told: a hold timer must not outrun its KEEPALIVE', async () => {
    const script = drive()
    const port = await freePort()
    const server = createServer((socket) => {
      socket.on('data', () => driver.feed(drained(1)))
      socket.on('close', () => server.close())
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const client = createConnection(port, '127.0.0.1')
    client.write('first')
    await until('the first bytes', () => script.inputs.length === 1)
    // From here Node runs timers before it looks at sockets.
    await nextLook()
    script.due = systemClock.now() + 5
    driver.feed(drained(2))
    client.write('KEEPALIVE')
    const until15 = systemClock.now() + 15
    while (systemClock.now() < until15);
    script.onInput = () => {
      script.due = undefined
      return []
    }
    await until('the next input', () => script.inputs.length > 2)
    client.destroy()
    expect(script.inputs[2]).toEqual(drained(1))
  })

  test('after a standstill time counts only as far as the sockets were looked at', async () => {
    let time = 0
    const script = new Script()
    const clock = { ...systemClock, now: () => time }
    driver = new Driver({ engine: script, clock, perform: () => {}, unread: () => [7] })
    script.due = 3_000
    driver.feed(drained(1))
    // All that follows happens between two looks at the sockets, as when the process is stopped there.
    time = 4_000
    driver.feed(drained(2))
    await until('a turn after the standstill', () => script.polled.some((one) => one.until === 4_000))
    script.due = undefined
    const before = script.polled.filter((one) => one.until < 4_000)
    expect(script.polled.length - before.length).toBeGreaterThan(0)
    expect(script.polled.findIndex((one) => one.until === 4_000)).toBeGreaterThan(0)
    expect(script.polled.every(({ unread }) => unread[0] === 7)).toBe(true)
  })

  test('bytes that wait for their turn are copied: the socket uses its own again', () => {
    const script = drive(() => driver.feed({ kind: 'received', conn: 1, bytes }))
    const bytes = Uint8Array.of(1)
    script.onInput = (input) => {
      bytes[0] = 2
      return input.kind === 'drained' ? [close(1)] : []
    }
    driver.feed(drained(1))
    expect(script.inputs[1]).toEqual({ kind: 'received', conn: 1, bytes: Uint8Array.of(2) })
    bytes[0] = 3
    expect(script.inputs[1]).toEqual({ kind: 'received', conn: 1, bytes: Uint8Array.of(2) })
  })

  test('between two slices of work the sockets are looked at', async () => {
    const script = drive()
    script.due = 0
    driver.feed(drained(1))
    for (let looks = 0; looks < 5; looks++) {
      const before = script.ticks
      await nextLook()
      expect(script.ticks - before).toBeLessThanOrEqual(1)
    }
    expect(script.ticks).toBeGreaterThanOrEqual(4)
  })

  test('an endless chain of effects and inputs lets others run', async () => {
    const script = drive(() => driver.feed(drained(1)))
    script.onInput = () => [close(1)]
    driver.feed(drained(1))
    await nextLook()
    await nextLook()
    expect(script.inputs.length).toBeGreaterThan(1)
  })

  test.each([
    ['in a turn', true],
    ['in an effect', false],
  ])('our own fault ends everything: %s', async (_name, inTurn) => {
    const faults: unknown[] = []
    const script = drive(
      () => {
        if (!inTurn) throw new Error('fault')
      },
      (error) => faults.push(error),
    )
    script.due = 0
    script.onInput = () => {
      if (inTurn) throw new Error('fault')
      return [close(1)]
    }
    driver.feed(drained(1))
    driver.feed(drained(2))
    await nextLook()
    expect(faults).toEqual([new Error('fault')])
    expect(script.inputs).toEqual([drained(1)])
    expect(driver.turns).toBe(0)
  })

  test('a stopped driver takes nothing', async () => {
    const script = drive()
    script.due = 0
    driver.feed(drained(1))
    driver.stop()
    driver.feed(drained(2))
    await nextLook()
    expect(script.inputs).toEqual([drained(1)])
  })

  test('the last resort says what happened and exits with an error', async () => {
    const module = new URL('../../src/edge/driver.ts', import.meta.url).href
    const code = `import { crashLoudly } from '${module}'; crashLoudly(new Error('two bests'))`
    const ended = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(process.execPath, ['--input-type=module', '-e', code], (error, _stdout, stderr) => {
        resolve({ code: error?.code, stderr })
      })
    })
    expect(ended.code).toBe(70)
    expect(ended.stderr).toContain('internal error in the engine, cannot continue: Error: two bests')
  })
})
