/** Up to four texts are listed in full; of five or more only this many, and the others are counted. */
const SHOWN = 3

/** A list in words that stays short: `a, b, c and 7 more`. A cluster may have thousands of what is listed. */
export const abridged = (texts: readonly string[], separator: string, conjunction: string): string =>
  texts.length <= SHOWN + 1
    ? texts.join(separator)
    : `${texts.slice(0, SHOWN).join(separator)} ${conjunction} ${texts.length - SHOWN} more`
