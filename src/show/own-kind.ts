/** Kinds of our own routes stand where BIRD has the name of a protocol. */
export const OWN_KINDS = ['pod_cidr', 'service_cidr', 'service'] as const

/** `pod-cidr` as the name of a protocol. */
export const ownKind = (origin: string): string => origin.replaceAll('-', '_')
