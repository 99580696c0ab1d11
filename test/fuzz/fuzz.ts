/** The loop: cases from the grammar, from what was seen, and with something broken in them; each from its own number. */
import { readdirSync, readFileSync } from 'node:fs'
import { Chance } from '../../src/base/chance.ts'
import { Dice, mutate } from './grammar.ts'
import type { Target } from './targets.ts'

export const CORPUS = new URL('corpus/', import.meta.url)

export interface FuzzOptions {
  readonly seed: number
  /** Number of the first case. */
  readonly first?: number
  readonly cases: number
  /** For who looks on. */
  readonly before?: (number: number) => void
  readonly after?: (number: number, millis: number) => void
}

export interface Failure {
  readonly target: string
  readonly number: number
  readonly bytes: Uint8Array
  readonly error: unknown
}

/** By target: what was found worth keeping, `<target>-<name>.hex`. */
function readCorpus(target: string): Uint8Array[] {
  return readdirSync(CORPUS)
    .filter((name) => name.startsWith(`${target}-`) && name.endsWith('.hex'))
    .sort()
    .map((name) => Uint8Array.from(Buffer.from(readFileSync(new URL(name, CORPUS), 'utf8').replace(/\s/g, ''), 'hex')))
}

/** Kinds of outcome, each with the shortest message that has it. */
export type Seen = Map<string, Uint8Array>

const MOST_SEEN = 400
/** Longer ones are slow to work with. */
const LONGEST_SEEN = 600

export function fuzz(
  target: Target,
  { seed, first = 0, cases, before, after }: FuzzOptions,
  seen: Seen = new Map(),
): Failure | undefined {
  const corpus = readCorpus(target.name)
  if (first === 0) {
    for (const [index, bytes] of corpus.entries()) {
      const failure = attempt(target, bytes, new Dice(new Chance(index)), -1 - index, seen)
      if (failure !== undefined) return failure
    }
  }
  for (let number = first; number < first + cases; number++) {
    before?.(number)
    const dice = diceOf(seed, number)
    const bytes = caseOf(target, dice, corpus)
    const begun = after === undefined ? 0 : performance.now()
    const failure = attempt(target, bytes, dice, number, seen)
    if (failure !== undefined) return failure
    after?.(number, performance.now() - begun)
  }
  return undefined
}

const diceOf = (seed: number, number: number): Dice =>
  new Dice(new Chance(Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b)))

/** One case again, ready to be tried, and how long its message is. */
export function repeat(target: Target, seed: number): (number: number) => { run: () => void; length: number } {
  const corpus = readCorpus(target.name)
  return (number) => {
    const dice = diceOf(seed, number)
    const bytes = caseOf(target, dice, corpus)
    return { run: () => void target.try(bytes, dice), length: bytes.length }
  }
}

/** Depends on the number and the kept corpus alone, so that a case is the same again. */
function caseOf(target: Target, dice: Dice, corpus: readonly Uint8Array[]): Uint8Array {
  if (corpus.length > 0 && dice.one(0.15)) return mutate(dice, dice.pick(corpus), corpus)
  const bytes = target.grammar(dice)
  return dice.one(0.4) ? mutate(dice, bytes, corpus) : bytes
}

function attempt(target: Target, bytes: Uint8Array, dice: Dice, number: number, seen: Seen): Failure | undefined {
  try {
    const kind = target.try(bytes.slice(), dice)
    const known = seen.get(kind)
    if (bytes.length <= LONGEST_SEEN && (known === undefined ? seen.size < MOST_SEEN : bytes.length < known.length)) {
      seen.set(kind, bytes)
    }
    return undefined
  } catch (error) {
    return { target: target.name, number, bytes, error }
  }
}

/** The shortest message that still fails, as far as leaving parts out goes. For targets without memory. */
export function minimize(target: Target, failing: Uint8Array): Uint8Array {
  const fails = (bytes: Uint8Array) =>
    [1, 2, 3, 4, 5, 6, 7, 8].some(
      (seed) => attempt(target, bytes, new Dice(new Chance(seed)), 0, new Map()) !== undefined,
    )
  let shortest = failing
  for (let size = shortest.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= shortest.length; ) {
      const without = new Uint8Array([...shortest.subarray(0, at), ...shortest.subarray(at + size)])
      if (without.length >= 19) without.set([without.length >> 8, without.length & 255], 16)
      if (fails(without)) shortest = without
      else at += size
    }
  }
  return shortest
}
