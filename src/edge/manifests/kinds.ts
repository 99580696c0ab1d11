/** Decides by `apiVersion` and `kind` which documents are read. */
import type { Resource } from '../resources.ts'

export interface Head {
  readonly apiVersion: string
  readonly kind: string
}

const OWN_GROUP = 'godwit.dev'

/** Empty for the core group, whose `apiVersion` is the version alone. */
export const groupOf = (apiVersion: string): string => apiVersion.slice(0, Math.max(0, apiVersion.lastIndexOf('/')))

export const isOwnGroup = (apiVersion: string): boolean => groupOf(apiVersion) === OWN_GROUP

/** A kind or the list of it: `BGPPeer`, `BGPPeerList`. */
export const isOfKind = (kind: string, resource: Resource): boolean =>
  kind === resource.kind || kind === `${resource.kind}List`

/** Neither a kind that is read nor a misspelt one: the rest of the document is not parsed. */
export const isForeign = ({ apiVersion, kind }: Head, resources: readonly Resource[]): boolean =>
  kind !== 'List' && !isOwnGroup(apiVersion) && !resources.some((one) => isOfKind(kind, one))

/** The `apiVersion` and `kind` of a value, where it has them. */
export function headOf(value: unknown): Head | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { apiVersion, kind } = value as { readonly apiVersion?: unknown; readonly kind?: unknown }
  return typeof apiVersion === 'string' && typeof kind === 'string' ? { apiVersion, kind } : undefined
}

const KEY = /^[A-Za-z0-9_.$/-]+:(?=\s|$)/
const HEAD_LINE = /^(apiVersion|kind):[ \t]+([A-Za-z0-9./-]+)[ \t]*(?:#.*)?\r?$/
/** What may stand between fields: nothing, a comment, markers, items of a list in the column of its field. */
const BETWEEN = /^(?:#.*|-(?:\s.*)?|---|\.\.\.)?\s*$/

/**
 * The `apiVersion` and `kind` of a block mapping, from its text: a ConfigMap of a megabyte is scanned, not parsed.
 * Undefined where the text is laid out otherwise, or has a field twice.
 */
export function headOfText(text: string): Head | undefined {
  const found: { apiVersion?: string; kind?: string } = {}
  let indent: number | undefined
  for (const [line, column] of linesOf(text)) {
    if (indent !== undefined && column > indent) continue
    if (BETWEEN.test(line)) continue
    indent ??= column
    const [, field, value = ''] = HEAD_LINE.exec(line) ?? []
    if (column < indent || !KEY.test(line) || (field !== undefined && Object.hasOwn(found, field))) return undefined
    if (field === 'apiVersion' || field === 'kind') found[field] = value
  }
  return headOf(found)
}

/** The same for an item of a block sequence, which begins after its dash. */
export const headOfItem = (text: string): Head | undefined => headOfText(text.replace('-', ' '))

/** Each line from its first character that is not a space, with the column of that character. */
function* linesOf(text: string): Generator<readonly [line: string, column: number]> {
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('\n', at)
    const end = next < 0 ? text.length : next
    let from = at
    while (text[from] === ' ') from++
    yield [text.slice(from, end), from - at]
    at = end + 1
  }
}
