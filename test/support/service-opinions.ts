/**
 * When four other products would attract traffic for a service address to a node, by what their sources and tests say
 * (Calico confd `routes.go` and `routes_test.go`, MetalLB's `bgp_controller.go`, kube-router's `ecmp_vip.go`, Cilium's
 * BGP service reconciler): second opinions for the table of services. Each is the rule in a few words, not their code.
 */

export interface EndpointFacts {
  readonly family: 'ipv4' | 'ipv6'
  /** On the node that is asked. */
  readonly isHere: boolean
  readonly state: 'ready' | 'draining' | 'failing'
}

/** One address of one service, and the node that is asked. */
export interface Question {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  readonly kind: 'cluster' | 'external' | 'load-balancer'
  readonly family: 'ipv4' | 'ipv6'
  readonly externalLocal: boolean
  readonly internalLocal: boolean
  readonly headless: boolean
  readonly isProxied: boolean
  readonly endpoints: readonly EndpointFacts[]
  /** Where the address stands in the list of its kind: nowhere, inside a range, or as itself. */
  readonly allowed: 'no' | 'range' | 'single'
  readonly aggregation: boolean
  /** The value of the exclude label; undefined: the node has none. */
  readonly excluded: string | undefined
}

export type Opinion = (question: Question) => boolean

const hasService = ({ type, headless }: Question): boolean => type !== 'ExternalName' && !headless

const isLoadBalancer = ({ type, kind }: Question): boolean => kind !== 'load-balancer' || type === 'LoadBalancer'

/** Every node tells the ranges; single addresses by the table of `advertiseThisService`. */
export const calico: Opinion = (question) => {
  const { kind, externalLocal, endpoints, allowed, aggregation, excluded } = question
  if (excluded === 'true' || allowed === 'no') return false
  const byRange = allowed === 'range' && !externalLocal && (kind !== 'load-balancer' || aggregation)
  if (byRange) return true
  if (!hasService(question) || !isLoadBalancer(question)) return false
  if (!externalLocal && allowed === 'single' && kind !== 'cluster') return true
  if (!externalLocal && aggregation) return false
  return endpoints.some(({ state, isHere }) => state === 'ready' && (isHere || !externalLocal))
}

/** LoadBalancer IPs only; an endpoint can serve when it is ready or serving. */
export const metallb: Opinion = (question) => {
  const { kind, externalLocal, endpoints, excluded, allowed } = question
  if (kind !== 'load-balancer' || !hasService(question) || !isLoadBalancer(question)) return false
  if (excluded !== undefined || allowed === 'no') return false
  return endpoints.some(({ state, isHere }) => state !== 'failing' && (isHere || !externalLocal))
}

/** Each address by itself; conditions of endpoints are not read, and policy Cluster asks for none. */
export const kubeRouter: Opinion = (question) => {
  const { kind, externalLocal, internalLocal, endpoints, allowed } = question
  if (!hasService(question) || !isLoadBalancer(question) || allowed === 'no') return false
  const local = externalLocal || (kind === 'cluster' && internalLocal)
  return !local || endpoints.some(({ isHere }) => isHere)
}

/** Each address by itself; policy Local asks for an active backend here. */
export const cilium: Opinion = (question) => {
  const { kind, externalLocal, internalLocal, endpoints, allowed } = question
  if (!hasService(question) || !isLoadBalancer(question) || allowed === 'no') return false
  const local = kind === 'cluster' ? internalLocal : externalLocal
  return (
    !local || endpoints.some(({ isHere, state, family }) => isHere && state === 'ready' && family === question.family)
  )
}
