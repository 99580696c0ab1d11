/** The options of `godwit check`, and the words that set them. */
import { parseArgs } from 'node:util'
import { DEFAULT_GROUP, DEFAULT_NAMESPACE, type Format, type NotParsed, readArguments, wrong } from './option-values.ts'

export interface CheckOptions {
  /** A folder, a file, `-` for standard input, or `kubernetes` for a cluster. */
  readonly source: string
  /** The source to compare with. */
  readonly diff: string | undefined
  /** Only this node. */
  readonly node: string | undefined
  /** Where the agents run, and read Secrets. */
  readonly namespace: string
  readonly apiGroup: string
  readonly kubeconfig: string | undefined
  readonly format: Format
}

export const CHECK_OPTIONS = {
  namespace: { type: 'string' },
  node: { type: 'string' },
  diff: { type: 'string' },
  'api-group': { type: 'string' },
  kubeconfig: { type: 'string' },
  json: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const

/** A report is not a list of names. */
const CHECK_FORMATS = ['text', 'wide', 'json', 'yaml'] as const

export function parseCheck(
  argv: readonly string[],
): NotParsed | { readonly kind: 'check'; readonly options: CheckOptions } {
  const read = readArguments(() => parseArgs({ args: [...argv], options: CHECK_OPTIONS, allowPositionals: true }))
  if (typeof read === 'string') return wrong(read)
  const { values, positionals } = read
  if (values.help === true) return { kind: 'help' }
  const [source, second] = positionals
  if (source === undefined || second !== undefined) return wrong('check needs one folder, one file, - or kubernetes')
  const output = values.json === true ? 'json' : (values.output ?? 'text').replace(/^=/, '')
  const format = CHECK_FORMATS.find((one) => one === output)
  if (format === undefined) return wrong(`-o ${output}: one of ${CHECK_FORMATS.join(', ')}`)
  return {
    kind: 'check',
    options: {
      source,
      diff: values.diff,
      node: values.node,
      namespace: values.namespace ?? DEFAULT_NAMESPACE,
      apiGroup: values['api-group'] ?? DEFAULT_GROUP,
      kubeconfig: values.kubeconfig,
      format,
    },
  }
}
