// What a case may ask of a speaker, whoever wrote it and however it is run.

import type { Family, Host } from '../lab/lab.ts'

export interface Speaker {
  /** `FRR`, `BIRD (trixie)`, `FRR (container)`. */
  readonly name: string
  readonly kind: 'frr' | 'bird' | 'gobgp' | 'openbgpd'
  /** Where its programs are. */
  readonly place: Place
  /** Why it cannot be used here, in a few words. */
  whyNot(): Promise<string | undefined>
  version(): Promise<string>
  start(host: Host, config: RouterConfig): Promise<Router>
}

export interface RouterConfig {
  readonly asn: number
  readonly neighbors: readonly Neighbor[]
  readonly networks?: readonly Network[]
  /** The whole configuration in the speaker's own words (FRR, BIRD); the rest is then not rendered. */
  readonly raw?: string
  /** Lines of its own words that belong to no neighbor (FRR, BIRD). */
  readonly globals?: readonly string[]
  /** What it calls itself where it says so (BIRD). */
  readonly hostName?: string
  /** What it learned is told on, with the next hop it came with. */
  readonly passesOn?: boolean
  /** What it learns goes into the kernel (FRR; BIRD where `raw` says so), and stays there while it restarts. */
  readonly kernel?: boolean
}

export interface Neighbor {
  readonly address: string
  readonly asn: number
  /** Never dials. */
  readonly passive?: boolean
  /** Default: both. */
  readonly families?: readonly Family[]
  readonly holdTime?: number
  /** Additions in the speaker's own words, see features.ts. */
  readonly features?: readonly Words[]
}

/** Lines of a neighbor's configuration: once, and once for each of its families. */
export interface Words {
  readonly session?: readonly string[]
  /** In the first section of the neighbor (GoBGP). */
  readonly neighbor?: readonly string[]
  readonly family?: readonly string[]
}

/** A route of the router's own. */
export interface Network {
  readonly prefix: string
  /** `65001:100` */
  readonly communities?: readonly string[]
  /** `65001:1:2` */
  readonly largeCommunities?: readonly string[]
  /** Route targets: `65001:100` (BIRD, OpenBGPD). */
  readonly routeTargets?: readonly string[]
  readonly med?: number
  /** What stands in the path before the router adds itself (FRR, BIRD). */
  readonly asPath?: readonly number[]
  /** Where it is not the router's own address of that family (GoBGP, which asks for it; the others know). */
  readonly nextHop?: string
}

/** A route as the router holds it, learned from a neighbor. */
export interface Route {
  readonly prefix: string
  readonly nextHop: string
  /** Address of the neighbor it came from. */
  readonly from: string
  /** `64512 65001`, empty for none. */
  readonly asPath: string
  readonly origin: 'igp' | 'egp' | 'incomplete'
  readonly localPref: number | undefined
  readonly med: number | undefined
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
  /** Of its extended communities those that are route targets; absent where the speaker is not read so closely. */
  readonly routeTargets?: readonly string[]
}

export interface SessionView {
  readonly neighbor: string
  readonly established: boolean
  /** The speaker's own word for the state. */
  readonly state: string
}

export interface Router {
  readonly host: Host
  /** Learned routes, not its own. */
  routes(family: Family): Promise<readonly Route[]>
  sessions(): Promise<readonly SessionView[]>
  announce(network: Network): Promise<void>
  withdraw(prefix: string): Promise<void>
  /** Says something to the speaker's own client: several lines to FRR, one to BIRD, words to GoBGP and OpenBGPD. */
  say(...words: readonly string[]): Promise<string>
  /** All it can tell about what went wrong with a neighbor: one text to search in. */
  errors(neighbor: string): Promise<string>
  stop(): Promise<void>
  kill(): Promise<void>
  /** Starts it again with the same configuration, after `stop` or `kill`. */
  restart(): Promise<void>
}

/** A set of programs: the machine's own, a root folder's, a container image's. */
export interface Place {
  readonly name: string
  whyNot(program: string): Promise<string | undefined>
  /** The words that run something of this place inside a host. */
  inside(host: Host, argv: readonly string[]): readonly string[]
  /** The same without a host, for asking a version. */
  outside(argv: readonly string[]): readonly string[]
  start(host: Host, name: string, argv: readonly string[]): import('../lab/lab.ts').Process
}

export const familyOf = (text: string): Family => (text.includes(':') ? 'ipv6' : 'ipv4')
