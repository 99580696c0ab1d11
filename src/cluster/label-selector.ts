/**
 * Translates Calico's selectors to the `labelSelector` of the Kubernetes API, which has neither alternatives nor parts of
 * values. A selector that uses them is not translated: then more objects are read than needed, never fewer.
 */
import type { Selector } from './selector.ts'

/** A label key, with or without a DNS prefix. */
const KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
const VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/

/** Undefined: it cannot be translated, or it selects everything. */
export function labelSelectorOf(selector: Selector): string | undefined {
  const parts = partsOf(selector)
  return parts === undefined || parts.length === 0 ? undefined : parts.join(',')
}

function partsOf(selector: Selector): readonly string[] | undefined {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return []
    case 'has':
      return partOf(selector.label, [], selector.label)
    case 'compare': {
      const { label, operator, value } = selector
      // In the API, as in Calico, an absent label is unequal to every value.
      return operator === '==' || operator === '!=' ? partOf(label, [value], `${label}${operator}${value}`) : undefined
    }
    case 'in': {
      const { label, operator, values } = selector
      if (values.length === 0) return undefined
      return partOf(label, values, `${label} ${operator === 'in' ? 'in' : 'notin'} (${values.join(',')})`)
    }
    case 'not':
      return selector.of.kind === 'has' ? partOf(selector.of.label, [], `!${selector.of.label}`) : undefined
    case 'and': {
      const parts = selector.of.map(partsOf)
      return parts.some((one) => one === undefined) ? undefined : parts.flatMap((one) => one ?? [])
    }
    case 'or':
      return undefined
  }
}

const partOf = (label: string, values: readonly string[], text: string): readonly string[] | undefined =>
  KEY.test(label) && values.every((value) => VALUE.test(value)) ? [text] : undefined
