/** The names that own each of many things. Mostly it is one, held as it is: a Set of one takes 200 bytes. */
export class Owners {
  readonly #owners = new Map<string, string | Set<string>>()

  has(thing: string): boolean {
    return this.#owners.has(thing)
  }

  of(thing: string): readonly string[] {
    const owners = this.#owners.get(thing)
    if (owners === undefined) return []
    return typeof owners === 'string' ? [owners] : [...owners]
  }

  add(thing: string, owner: string): void {
    const owners = this.#owners.get(thing)
    if (owners === undefined) this.#owners.set(thing, owner)
    else if (typeof owners !== 'string') owners.add(owner)
    else if (owners !== owner) this.#owners.set(thing, new Set([owners, owner]))
  }

  /** False: it was not its owner. */
  remove(thing: string, owner: string): boolean {
    const owners = this.#owners.get(thing)
    if (owners === undefined || typeof owners === 'string') return owners === owner && this.#owners.delete(thing)
    if (!owners.delete(owner)) return false
    if (owners.size === 0) this.#owners.delete(thing)
    return true
  }
}
