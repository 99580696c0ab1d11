/** The numbers of a text's lines. Thousands may be asked for, mostly from the front to the back: counting goes on from the last. */
export class Lines {
  readonly #text: string
  /** The line that was asked for last. */
  #number = 1
  #start = 0
  #end: number

  constructor(text: string) {
    this.#text = text
    this.#end = this.#endFrom(0)
  }

  /** The line that a position is in: the first is 1. */
  at(position: number): number {
    if (position < this.#start) this.#move(1, 0)
    while (this.#end < position) this.#move(this.#number + 1, this.#end + 1)
    return this.#number
  }

  #move(number: number, start: number): void {
    this.#number = number
    this.#start = start
    this.#end = this.#endFrom(start)
  }

  #endFrom(start: number): number {
    const end = this.#text.indexOf('\n', start)
    return end < 0 ? Number.POSITIVE_INFINITY : end
  }
}
