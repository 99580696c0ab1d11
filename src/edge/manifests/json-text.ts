/**
 * Parses JSON. `JSON.parse` silently uses the last of two equal keys and reads `64512.10` as `64512.1`, so the text is scanned
 * once more for both. It rounds whole numbers too, but only ones that every field refuses as too large.
 */
import { DEEPEST, type Fault, faultAt, joinField, KEY_TWICE, notWhole, type PieceReading, TOO_DEEP } from './fault.ts'

/** Undefined: the text is not JSON. */
export function readJson(text: string): PieceReading | undefined {
  try {
    const values = [JSON.parse(text) as unknown]
    const fault = new Scan(text).fault()
    return fault === undefined ? { values } : { values, fault }
  } catch {
    return undefined
  }
}

/** An object or array that is open. */
interface Level {
  /** For an object: its keys so far. */
  readonly keys: Set<string> | undefined
  /** The key, or the index, of the next value. */
  at: string | number
}

/** A string, a number, or a punctuator. In text that is known to be JSON, nothing else needs to be scanned. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{},]/g

class Scan {
  readonly #text: string
  readonly #levels: Level[] = []

  constructor(text: string) {
    this.#text = text
  }

  fault(): Fault | undefined {
    for (const { 0: token, index } of this.#text.matchAll(TOKEN)) {
      const fault = this.#take(token, index)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #take(token: string, index: number): Fault | undefined {
    const level = this.#levels.at(-1)
    switch (token[0]) {
      case '{':
      case '[':
        if (this.#levels.length === DEEPEST) return this.#fault(TOO_DEEP, index)
        this.#levels.push({ keys: token === '{' ? new Set() : undefined, at: token === '{' ? '' : 0 })
        return undefined
      case '}':
      case ']':
        this.#levels.pop()
        return undefined
      case ',':
        if (typeof level?.at === 'number') level.at++
        return undefined
      case '"':
        return level?.keys !== undefined && this.#isKey(index + token.length)
          ? this.#key(level, token, index)
          : undefined
      default:
        return /[.eE]/.test(token) ? this.#fault(notWhole(token), index) : undefined
    }
  }

  #isKey(end: number): boolean {
    while (/\s/.test(this.#text[end] ?? '')) end++
    return this.#text[end] === ':'
  }

  #key(level: Level, token: string, index: number): Fault | undefined {
    const key = JSON.parse(token) as string
    level.at = key
    if (level.keys?.has(key)) return this.#fault(KEY_TWICE, index)
    level.keys?.add(key)
    return undefined
  }

  #fault(says: string, at: number): Fault {
    return faultAt(this.#levels.map((level) => level.at).reduce(joinField, ''), says, at)
  }
}
