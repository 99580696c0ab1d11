/**
 * The thread in which BFD runs: large tables, garbage collection and many API events do not delay it. It never returns
 * to Node's event loop, which is slow to wake; so messages are read from their port by hand when the thread is woken.
 */
import { randomInt } from 'node:crypto'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Millis } from '../../base/units.ts'
import { BfdEngine } from '../../bfd/engine.ts'
import { monotonicClock } from '../clock.ts'
import { BfdDriver } from './bfd-driver.ts'
import { Bell, waitFor } from './bfd-poll.ts'
import { leastIntervalWith, raisePriority } from './bfd-priority.ts'
import type { BfdOrder, BfdThreadData } from './bfd-thread.ts'

/** Node can stop a thread only while it runs JavaScript: it returns from the wait at least this often. */
const LONGEST_WAIT: Millis = 250

const { port, bell: fd, independent } = workerData as BfdThreadData
const bell = new Bell(fd)
const priority = raisePriority()
port.postMessage([{ kind: 'priority', priority }])
const engine = new BfdEngine({ seed: randomInt(2 ** 32), independent, least: leastIntervalWith(priority) })
const driver = new BfdDriver({ engine, clock: monotonicClock, report: (news) => port.postMessage(news) })

/** False: the thread must end. */
function takeOrders(): boolean {
  bell.hush()
  for (let order = receiveMessageOnPort(port); order !== undefined; order = receiveMessageOnPort(port)) {
    const input = order.message as BfdOrder
    if (input.kind === 'end') return false
    driver.feed(input)
  }
  return true
}

while (takeOrders()) {
  waitFor([bell.fd, ...driver.descriptors], Math.min(driver.wait(), LONGEST_WAIT))
  driver.round()
}
driver.stop()
port.close()
