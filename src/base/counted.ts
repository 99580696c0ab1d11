/** A number with the words that fit it: `1 route is`, `2 routes are`. */
export const counted = (count: number, one: string, several: string): string =>
  `${count} ${count === 1 ? one : several}`
