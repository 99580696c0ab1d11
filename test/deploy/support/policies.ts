/** ValidatingAdmissionPolicies of deploy/, evaluated by an interpreter of CEL that is not ours. */
import { Environment } from '@marcbachmann/cel-js'
import type { Admitted } from '../../support/api-server/server.ts'
import { celValue } from './cel.ts'
import type { Manifest } from './crds.ts'

interface Policy extends Manifest {
  readonly spec: {
    readonly matchConstraints: {
      readonly resourceRules: readonly {
        readonly apiGroups: readonly string[]
        readonly operations: readonly string[]
        readonly resources: readonly string[]
      }[]
    }
    readonly matchConditions: readonly { readonly expression: string }[]
    readonly variables?: readonly { readonly name: string; readonly expression: string }[]
    readonly validations: readonly { readonly expression: string; readonly message: string }[]
  }
}

export interface Asking {
  readonly username: string
  /** The node that the token is bound to; undefined: it is bound to none. */
  readonly node: string | undefined
}

const ACCOUNT = 'system:serviceaccount:godwit:godwit'
const NODE_NAME = 'authentication.kubernetes.io/node-name'
const PLURALS: Readonly<Record<string, string>> = { Node: 'nodes', BGPNodeStatus: 'bgpnodestatuses' }

const environment = ['request', 'object', 'oldObject', 'variables'].reduce(
  (before, name) => before.registerVariable(name, 'dyn'),
  new Environment(),
)

/** Policies that have a binding which denies. */
const boundPolicies = (objects: ReadonlyMap<string, Manifest>): Policy[] =>
  [...objects.values()].flatMap(({ kind, spec }) => {
    if (kind !== 'ValidatingAdmissionPolicyBinding') return []
    const { policyName, validationActions } = spec as { policyName: string; validationActions: string[] }
    const policy = objects.get(`ValidatingAdmissionPolicy/${policyName}`)
    if (policy === undefined || !validationActions.includes('Deny')) throw new Error(`${policyName} is not in force`)
    return [policy as Policy]
  })

/** Why a write is denied; undefined: it is not. An expression that fails denies, as `failurePolicy: Fail` has it. */
export function whyDenied(objects: ReadonlyMap<string, Manifest>, write: Admitted, asking: Asking): string | undefined {
  for (const policy of boundPolicies(objects)) {
    if (!concerns(policy, write)) continue
    const { username, node } = asking
    const userInfo = { username, ...(node !== undefined && { extra: { [NODE_NAME]: [node] } }) }
    const request = { userInfo, operation: write.operation }
    const known = { request, object: write.object, oldObject: write.oldObject ?? null }
    const why = judge(policy, celValue(known) as Record<string, unknown>)
    if (why !== undefined) return why
  }
  return undefined
}

/** For the server of tests: who asks is the agent of this node. */
export const admission =
  (objects: ReadonlyMap<string, Manifest>, node: string) =>
  (write: Admitted): string | undefined =>
    whyDenied(objects, write, { username: ACCOUNT, node })

function concerns({ spec }: Policy, { kind, part, operation }: Admitted): boolean {
  const resource = `${PLURALS[kind] ?? ''}${part === undefined ? '' : `/${part}`}`
  const group = kind === 'Node' ? '' : 'godwit.dev'
  return spec.matchConstraints.resourceRules.some(
    ({ apiGroups, operations, resources }) =>
      apiGroups.includes(group) && operations.includes(operation) && resources.includes(resource),
  )
}

function judge({ spec }: Policy, known: Record<string, unknown>): string | undefined {
  const ask = (expression: string, context: Record<string, unknown>) => environment.parse(expression)(context)
  if (!spec.matchConditions.every(({ expression }) => ask(expression, known) === true)) return undefined
  const variables = Object.fromEntries(
    (spec.variables ?? []).map(({ name, expression }) => [name, ask(expression, known)]),
  )
  return spec.validations.find(({ expression }) => ask(expression, { ...known, variables }) !== true)?.message
}
