/** What the parts of the peer benchmark tell each other: what a daemon is to do, who does it, and what was measured. */
export type Family = 'v4' | 'v6'
export const FAMILIES: readonly Family[] = ['v4', 'v6']

export interface JobNeighbor {
  readonly name: string
  readonly address: string
  readonly localAddress: string
  readonly port: number
  readonly as: number
  readonly passive: boolean
  readonly family: Family
}

/**
 * The daemon accepts these neighbors' connections (tried every 20 ms), imports and exports everything, prepends its AS, is
 * its own next hop and originates the listed prefixes to every neighbor. Kernel routes only where asked for. It ends on
 * SIGTERM.
 */
export interface Job {
  readonly as: number
  readonly routerId: string
  readonly port: number
  readonly listen: readonly string[]
  readonly neighbors: readonly JobNeighbor[]
  readonly originate: Readonly<Record<Family, readonly string[]>>
  /** Write what is learned into the kernel. */
  readonly kernel: boolean
  /** Scratch directory, also the working directory. */
  readonly dir: string
}

/** Runs a command where the daemon runs; returns what it prints. */
export type Run = (argv: readonly string[]) => string

export interface Contestant {
  readonly id: string
  readonly label: string
  /** Undefined where it is not installed. */
  version(): string | undefined
  /** Its command, and the files it finds in the job's directory. */
  setup(job: Job): { readonly argv: readonly string[]; readonly files: Readonly<Record<string, string | Uint8Array>> }
  /** After the start, tried until it does not throw. */
  load?(job: Job, run: Run): void
  /** It can write kernel routes, which then have this protocol number. */
  readonly kernelProtocol?: number
  /** No daemon at all: it writes the same routes by a command, which is measured where kernel routes are. */
  readonly writes?: (file: string) => readonly string[]
  /** Prefixes in its table; where absent, rest is taken for done. */
  count?(job: Job, family: Family, run: Run): number
}

/** A name → a number; undefined where it does not apply. */
export type Metrics = Readonly<Record<string, number | undefined>>

export interface Measurement {
  readonly scenario: string
  readonly contestant: string
  readonly run: number
  readonly metrics?: Metrics
  /** Cores kept busy meanwhile by anything but the benchmark. */
  readonly otherCores?: number
  readonly error?: string
}

export interface Results {
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryMb: number
    readonly kernel: string
    readonly node: string
    readonly date: string
  }
  readonly contestants: Readonly<Record<string, { readonly label: string; readonly version: string }>>
  readonly scenarios: Readonly<Record<string, string>>
  readonly runs: number
  readonly measurements: Measurement[]
}
