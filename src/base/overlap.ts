/** Lists of names, asked often: a list of a thousand is asked as a set. */

/** Up to so many are looked at one by one. */
const FEW = 8

/** Whether the name is in the list, which does not change. */
export const isIn = (list: readonly string[], name: string): boolean =>
  list.length <= FEW ? list.includes(name) : setOf(list).has(name)

/** Whether some name is in both lists, which do not change. */
export const overlap = (a: readonly string[], b: readonly string[]): boolean => {
  const [few, many] = a.length < b.length ? [a, b] : [b, a]
  return few.some((name) => isIn(many, name))
}

const SETS = new WeakMap<readonly string[], ReadonlySet<string>>()

function setOf(list: readonly string[]): ReadonlySet<string> {
  const known = SETS.get(list)
  if (known !== undefined) return known
  const made = new Set(list)
  SETS.set(list, made)
  return made
}
