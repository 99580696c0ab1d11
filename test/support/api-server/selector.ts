/** Label and field selectors as the Kubernetes API reads them, enough for tests. */
type Fields = Readonly<Record<string, unknown>>

/** `app=web,tier!=cache,env in (a, b),!old` */
export function matchesLabels(selector: string, labels: Readonly<Record<string, string>>): boolean {
  const terms = selector.match(/[^,(]+(\([^)]*\))?/g) ?? []
  return terms.every((term) => matchesTerm(term.trim(), labels))
}

function matchesTerm(term: string, labels: Readonly<Record<string, string>>): boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term)
  if (set !== null) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim())
    const found = labels[set[1] ?? '']
    return set[2] === 'in'
      ? found !== undefined && values.includes(found)
      : found === undefined || !values.includes(found)
  }
  const pair = /^([^!=]+)(!=|==?)(.*)$/.exec(term)
  if (pair !== null) return (labels[pair[1] ?? ''] === pair[3]) === (pair[2] !== '!=')
  return term.startsWith('!') ? labels[term.slice(1)] === undefined : labels[term] !== undefined
}

/** `metadata.name=a,spec.nodeName!=b` */
export function matchesFields(selector: string, object: Fields): boolean {
  return selector.split(',').every((term) => {
    const pair = /^([^!=]+)(!=|==?)(.*)$/.exec(term)
    if (pair === null) return false
    const found = (pair[1] ?? '').split('.').reduce<unknown>((at, name) => (at as Fields | undefined)?.[name], object)
    return (String(found ?? '') === pair[3]) === (pair[2] !== '!=')
  })
}
