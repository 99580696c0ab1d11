/**
 * Text that came from outside, made harmless for a terminal and a log: control characters could steer a terminal, format
 * characters reorder what a person reads (Unicode TR 36 §3.2), and line separators break a line in two. For the brackets of
 * an expression with the flag `u`.
 */
export const HARMFUL = String.raw`\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}`
const REPLACED = new RegExp(`(?!\\t)[${HARMFUL}]`, 'gu')

/** The same text with `?` for each harmful character. A tab may stay. */
export const plainText = (text: string): string => text.replace(REPLACED, '?')
