/** RFC 5881 §4: where the source ports of sessions begin and end. */
export const FIRST_PORT = 49_152
export const LAST_PORT = 65_535
