/**
 * Rules of CRDs, evaluated by an interpreter of CEL that is not ours, over values as the API server hands them in: whole
 * numbers are `int`. Of what Kubernetes adds to the language, the functions our rules use are added here, too.
 */
import { Environment } from '@marcbachmann/cel-js'

const environment = new Environment()
  .registerVariable('self', 'dyn')
  .registerVariable('oldSelf', 'dyn')
  .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
    text.replaceAll(from, to),
  )

type Rule = (context: { readonly self: unknown }) => unknown
const compiled = new Map<string, Rule>()

/** Why the rule is none; undefined where it is one. */
export function whyNoRule(rule: string): string | undefined {
  const { valid, error } = environment.check(rule)
  return valid ? undefined : String(error?.message)
}

/** Whether the value keeps the rule. Throws where the rule is none, or is not about such a value. */
export function keeps(rule: string, value: unknown): boolean {
  // A rule about the value before is asked when an object changes, not when it is made.
  if (/\boldSelf\b/.test(rule)) return true
  const known = compiled.get(rule) ?? environment.parse(rule)
  compiled.set(rule, known)
  const answer = known({ self: celValue(value) })
  if (typeof answer !== 'boolean') throw new Error(`the rule ${rule} says ${String(answer)}`)
  return answer
}

export function celValue(value: unknown): unknown {
  if (Number.isInteger(value)) return BigInt(value as number)
  if (Array.isArray(value)) return value.map(celValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, celValue(inner)]))
}
