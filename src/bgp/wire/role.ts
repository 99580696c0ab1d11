/** Roles of RFC 9234 §4.1: what a speaker is to its neighbor. */
export const ROLE = { provider: 0, 'rs-server': 1, 'rs-client': 2, customer: 3, peer: 4 } as const
export type Role = keyof typeof ROLE

export const ROLES = Object.keys(ROLE) as readonly Role[]

/** RFC 9234 §4.2, table 2: what the other side of each must be. */
export const COUNTERPART: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  'rs-server': 'rs-client',
  'rs-client': 'rs-server',
  customer: 'provider',
  peer: 'peer',
}
