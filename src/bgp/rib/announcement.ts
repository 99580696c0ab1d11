/** What one UPDATE announces with the same attributes and next hop. Objects of this file are filled again for each. */

/** Octets inside a longer array. */
export interface ByteRange {
  bytes: Uint8Array
  start: number
  length: number
}

export interface Announcement {
  /** The UPDATE; its prefixes of the family lie in [start, end), already checked. */
  bytes: Uint8Array
  start: number
  end: number
  /** Ids, retained by the caller during the call. */
  attributes: number
  nextHop: number
  /** Why none of its routes may be used (eligible.ts); 0 where they may. */
  refused: number
}

export const NO_BYTES = new Uint8Array(0)

export const emptyRange = (): ByteRange => ({ bytes: NO_BYTES, start: 0, length: 0 })

export const emptyAnnouncement = (): Announcement => ({
  bytes: NO_BYTES,
  start: 0,
  end: 0,
  attributes: 0,
  nextHop: 0,
  refused: 0,
})
