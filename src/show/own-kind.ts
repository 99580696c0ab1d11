/** What leads to pods of another node (`nodeRoutes: Direct`): told to nobody, for that node tells it. */
export const NODE_ROUTE = 'node-route'

/** Kinds of our own routes stand where BIRD has the name of a protocol. */
export const OWN_KINDS = ['pod_cidr', 'service_cidr', 'service', 'node_route'] as const

/** `pod-cidr` as the name of a protocol. */
export const ownKind = (origin: string): string => origin.replaceAll('-', '_')
