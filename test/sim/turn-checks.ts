/** What must hold after every single turn. */
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import type { Host, World } from '../support/world.ts'

/** One reply may be this long: what is written before a client has to read it, and one more row. */
const REPLY_LIMIT = 32_768 + 65_536
/** UPDATEs handed to the network at once, and what comes before them in the same turn. */
const SEND_LIMIT = 65_536 + 4_096
/** Turns at one moment: the slices of a table, the clients' commands; and whoever is told something takes it. More is a loop. */
const TURNS_AT_ONCE = 20_000
const TURNS_PER_NEIGHBOR = 100
const MEMORY_EVERY = 512

export class TurnChecks {
  readonly #memoryLimit: number
  readonly #atOnce = new Map<Host, { at: number; turns: number }>()

  constructor(memoryLimit: number) {
    this.#memoryLimit = memoryLimit
  }

  check(world: World, host: Host, input: Input, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send' && effect.bytes.length > SEND_LIMIT) fail(host, `${effect.bytes.length} bytes at once`)
      if (effect.kind === 'reply' && effect.text.length > REPLY_LIMIT) fail(host, `a reply of ${effect.text.length}`)
    }
    const due = host.engine.deadline()
    // A hold timer is judged once the neighbor's socket was read, and by no other turn before.
    const isRead = input.kind === 'polled' && input.until >= world.now && input.unread.length === 0
    if (isRead && due !== undefined && due < world.now) fail(host, `a timer is ${world.now - due} ms late after a turn`)
    const known = this.#atOnce.get(host)
    if (known?.at !== world.now) this.#atOnce.set(host, { at: world.now, turns: 1 })
    else if (++known.turns > TURNS_AT_ONCE + TURNS_PER_NEIGHBOR * host.ends.size)
      fail(host, `${known.turns} turns without time passing`)
    if (host.turns % MEMORY_EVERY === 0) this.#checkMemory(world, host)
  }

  #checkMemory(world: World, host: Host): void {
    const bytes = host.engine
      .view(world.now)
      .memory()
      .reduce((sum, part) => sum + part.bytes, 0)
    if (bytes > this.#memoryLimit) fail(host, `its tables take ${bytes} bytes`)
  }
}

function fail(host: Host, text: string): never {
  throw new Error(`${host.name}: ${text}`)
}
