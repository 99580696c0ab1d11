/**
 * Text that came from outside, made harmless for a terminal and a log: control characters could steer a terminal, format
 * characters reorder what a person reads (Unicode TR 36 §3.2), and line separators break a line in two.
 */
const HARMFUL = /(?!\t)[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** The same text with `?` for each harmful character. A tab may stay. */
export const plainText = (text: string): string => text.replace(HARMFUL, '?')
