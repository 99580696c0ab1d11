/** What the manifests in `examples/demo` mean, written out by hand: the demo passes only if exactly this is seen. */

const WORKERS = {
  'worker-1': { ipv4: '127.0.0.11', ipv6: 'fd00:10::11' },
  'worker-2': { ipv4: '127.0.0.12', ipv6: 'fd00:10::12' },
} as const
type Worker = keyof typeof WORKERS

/** Told by both nodes: the ranges of service addresses. */
const SHARED = ['10.96.0.0/16', '192.0.2.0/24', 'fd00:96::/112', '2001:db8:2::/64']

/** Addresses of the service `web`, whose policy is Local: only from nodes with a ready endpoint of that family. */
const WEB = ['10.96.0.10/32', '192.0.2.10/32', 'fd00:96::10/128', '2001:db8:2::10/128']

const PODS: Record<Worker, readonly string[]> = {
  'worker-1': ['10.244.1.0/24', 'fd00:244:1::/64'],
  'worker-2': ['10.244.2.0/24', 'fd00:244:2::/64'],
}

/** `prefix via next hop`, sorted: how the demo compares and prints a route. */
export const routeLine = (prefix: string, nextHop: string): string => `${prefix} via ${nextHop}`

const told = (worker: Worker, prefixes: readonly string[]): string[] =>
  prefixes.map((prefix) => routeLine(prefix, WORKERS[worker][prefix.includes(':') ? 'ipv6' : 'ipv4']))

/** What the router holds while both nodes have a ready endpoint of `web`. */
export const AT_ROUTER: readonly string[] = [
  ...told('worker-1', [...PODS['worker-1'], ...SHARED, ...WEB]),
  ...told('worker-2', [...PODS['worker-2'], ...SHARED, ...WEB]),
].sort()

/** Worker 2's IPv4 endpoint goes: its IPv4 addresses of `web` must go with it, and nothing else. */
export const REMOVED: readonly string[] = told('worker-2', ['10.96.0.10/32', '192.0.2.10/32'])

/** What worker 1 learns over the mesh: the other node's pods (its services are worker 1's own as well). */
export const MESH_PODS: readonly string[] = told('worker-2', PODS['worker-2'])
