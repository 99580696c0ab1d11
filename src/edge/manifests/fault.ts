/** What is wrong with a piece of text, and where in it. */
export interface Fault {
  /** With the field, where there is one: `spec.asNumber: stands twice`. */
  readonly text: string
  /** The sign it begins at, counted from the start of the text. */
  readonly at: number
  /** An alias of an anchor that may stand outside of this piece. */
  readonly isAlias?: true
}

/** How a piece of text stands in its file: by itself, or as `{…},` or `- …` of a List. */
export type PieceKind = 'document' | 'item'

/** What a piece of text says. Values beside a fault cannot be trusted: they tell no more than whose they are. */
export interface PieceReading {
  readonly values: readonly unknown[]
  readonly fault?: Fault
}

/** A field as a person finds it: `spec.exportV4[0].cidr`. */
export const joinField = (path: string, key: string | number): string => {
  if (typeof key === 'number') return `${path}[${key}]`
  const plain = key.length > 80 ? `${key.slice(0, 77)}...` : key
  return path === '' ? plain : `${path}.${plain}`
}

export const faultAt = (field: string, says: string, at: number): Fault => ({
  text: field === '' ? says : `${field}: ${says}`,
  at,
})

/** Kubernetes' own objects stay far below. */
export const DEEPEST = 64
export const TOO_DEEP = `is nested more than ${DEEPEST} levels deep`
export const KEY_TWICE = 'is given twice'

/** No field of the kinds that are read is a fraction, and `64512.10` says another number than it means. */
export const notWhole = (source: string): string =>
  `${source.slice(0, 40)} is not a whole number (put an AS number with a dot in quotes)`
