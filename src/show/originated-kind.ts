/** Direct routes to pods of another node (`nodeRoutes: Direct`): not advertised, since that node advertises them. */
export const NODE_ROUTE = 'node-route'

/** The origin of an originated route, in place of the name of a BIRD protocol. */
export const ORIGINATED_KINDS = [
  'pod_cidr',
  'service_cidr',
  'service',
  'pod',
  'interface',
  'advertisement',
  'node_route',
] as const

export const isOriginatedKind = (name: string): boolean => ORIGINATED_KINDS.some((kind) => kind === name)

/** `pod-cidr` as the name of a protocol. */
export const originatedKind = (origin: string): string => origin.replaceAll('-', '_')
