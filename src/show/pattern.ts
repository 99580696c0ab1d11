/** Patterns for names, as in birdc: `*` matches any characters, `?` one. */
export const matchesPattern = (pattern: string, name: string): boolean =>
  matchesItems(pattern, name.length, (wanted, index) => wanted === '?' || wanted === name[index])

/**
 * Whether `length` items match a pattern of items, in which `*` stands for any run of them. Goes back to the last `*` only,
 * so the time is bounded by the items of the one times those of the other.
 */
export function matchesItems<Item>(
  pattern: ArrayLike<Item | '*'>,
  length: number,
  fits: (wanted: Item | '*', index: number) => boolean,
): boolean {
  let at = 0
  let star = -1
  let resume = 0
  let index = 0
  while (index < length) {
    const wanted = pattern[at]
    if (wanted === '*') {
      star = at++
      resume = index
    } else if (wanted !== undefined && fits(wanted, index)) {
      at++
      index++
    } else if (star >= 0) {
      at = star + 1
      index = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

export const isPattern = (text: string): boolean => /[*?]/.test(text)
