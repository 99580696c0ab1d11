import { expect, test } from 'vitest'
import { lockDataplane } from '../../../src/edge/operate/lock.ts'

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
