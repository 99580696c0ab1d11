import { expect, test, vi } from 'vitest'
import { awaitBfd, lockDataplane } from '../../../src/edge/operate/lock.ts'

test.runIf(process.platform === 'linux')(
  'one holder for each network namespace, and the next when it is gone',
  async () => {
    const lock = await lockDataplane()
    await expect(lockDataplane()).rejects.toThrow('another agent writes routes and NAT of this machine')
    lock.release()
    const next = await lockDataplane()
    next.release()
  },
)

test.runIf(process.platform === 'linux')(
  'a BFD process waits for the end of another one, and says so once',
  async () => {
    const first = await awaitBfd(() => expect.unreachable('there is no other'), new AbortController().signal)
    const said = Promise.withResolvers<void>()
    const waits = vi.fn(said.resolve)
    const next = awaitBfd(waits, new AbortController().signal)
    await said.promise
    first?.release()
    const lock = await next
    expect(waits).toHaveBeenCalledOnce()
    lock?.release()
  },
)
