/** Direct routes to pods of another node (`nodeRoutes: Direct`): not advertised, since that node advertises them. */
export const NODE_ROUTE = 'node-route'

/** The origin of an own route, in place of the name of a BIRD protocol. */
export const OWN_KINDS = [
  'pod_cidr',
  'service_cidr',
  'service',
  'pod',
  'interface',
  'advertisement',
  'node_route',
] as const

export const isOwnKind = (name: string): boolean => OWN_KINDS.some((kind) => kind === name)

/** `pod-cidr` as the name of a protocol. */
export const ownKind = (origin: string): string => origin.replaceAll('-', '_')
