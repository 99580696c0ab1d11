/** What is to happen, by time; of several at one time, the first put down comes first. A binary heap. */
export class Agenda<Item> {
  #at: number[] = []
  #order: number[] = []
  #items: Item[] = []
  #count = 0

  get size(): number {
    return this.#items.length
  }

  /** When the next thing happens. */
  get next(): number | undefined {
    return this.#at[0]
  }

  push(at: number, item: Item): void {
    let place = this.#items.length
    this.#at.push(at)
    this.#order.push(this.#count++)
    this.#items.push(item)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(place, parent)) return
      this.#swap(place, parent)
      place = parent
    }
  }

  pop(): Item | undefined {
    const first = this.#items[0]
    const [at, order, item] = [this.#at.pop(), this.#order.pop(), this.#items.pop()]
    if (this.#items.length === 0 || at === undefined || order === undefined) return first
    this.#at[0] = at
    this.#order[0] = order
    this.#items[0] = item as Item
    this.#sink()
    return first
  }

  #sink(): void {
    for (let place = 0; ; ) {
      const left = 2 * place + 1
      if (left >= this.#items.length) return
      const right = left + 1
      const child = right < this.#items.length && this.#isBefore(right, left) ? right : left
      if (!this.#isBefore(child, place)) return
      this.#swap(child, place)
      place = child
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [atA, atB] = [this.#at[a] as number, this.#at[b] as number]
    return atA < atB || (atA === atB && (this.#order[a] as number) < (this.#order[b] as number))
  }

  #swap(a: number, b: number): void {
    for (const column of [this.#at, this.#order]) {
      const kept = column[a] as number
      column[a] = column[b] as number
      column[b] = kept
    }
    const kept = this.#items[a] as Item
    this.#items[a] = this.#items[b] as Item
    this.#items[b] = kept
  }
}
