/** A fault in a piece of text, and its position. */
export interface Fault {
  /** With the field, if there is one: `spec.asNumber: is given twice`. */
  readonly text: string
  /** The position of its first character, from the start of the text. */
  readonly at: number
  /** An alias whose anchor may be outside of this piece. */
  readonly isAlias?: true
  /** A fault of the machine, which had too little time or memory: the same text may be read without one later. */
  readonly isPassing?: true
}

/** The form of a piece in its file: a document, or `{…},` or `- …` as an item of a List. */
export type PieceKind = 'document' | 'item'

/** The values of a piece of text. Beside a fault, only the kind of the last can be trusted. */
export interface PieceReading {
  readonly values: readonly unknown[]
  readonly fault?: Fault
}

/** A field in the form that people use: `spec.exportV4[0].cidr`. */
export const joinField = (path: string, key: string | number): string => {
  if (typeof key === 'number') return `${path}[${key}]`
  const plain = key.length > 80 ? `${key.slice(0, 77)}...` : key
  return path === '' ? plain : `${path}.${plain}`
}

export const faultAt = (field: string, says: string, at: number): Fault => ({
  text: field === '' ? says : `${field}: ${says}`,
  at,
})

/** Kubernetes' own objects stay far below this depth. */
export const DEEPEST = 64
export const TOO_DEEP = `is nested more than ${DEEPEST} levels deep`
export const KEY_TWICE = 'is given twice'

/**
 * No field of the kinds that are read has a fraction, and `64512.10` would be read as another number than was meant.
 */
export const notWhole = (source: string): string =>
  `${source.slice(0, 40)} is not a whole number (put an AS number with a dot in quotes)`
