/** birdc's patterns: `*` for any run of characters, `?` for one. Takes time in proportion to the text. */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0
  let star = -1
  let resume = 0
  let index = 0
  while (index < name.length) {
    const wanted = pattern[at]
    if (wanted === '*') {
      star = at++
      resume = index
    } else if (wanted === '?' || wanted === name[index]) {
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
