/**
 * Loaded before an agent (`node --import`): an UPDATE with 172.30.0.0/16 is an error of our own, one with 172.31.0.0/16
 * takes all memory, and SIGUSR2 sets the wall clock hours on, the next one hours back, and so on.
 */
import { Engine } from '../../src/engine/engine.ts'

const { handle } = Engine.prototype
Engine.prototype.handle = function (input, now) {
  if (input.kind === 'received') {
    const bytes = Buffer.from(input.bytes)
    if (bytes.includes(Buffer.from([16, 172, 30]))) throw new Error('planted: 172.30.0.0/16')
    if (bytes.includes(Buffer.from([16, 172, 31]))) takeAllMemory()
  }
  return handle.call(this, input, now)
}

function takeAllMemory(): never {
  const taken: unknown[] = []
  for (;;) taken.push(Array.from({ length: 10_000 }, (_, index) => ({ index })))
}

const now = Date.now
let jump = 6 * 3_600_000
process.on('SIGUSR2', () => {
  const by = jump
  Date.now = () => now() + by
  jump = -jump
})
