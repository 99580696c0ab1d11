/**
 * Joins the engine and its edges: one process for one node. SIGTERM ends it as for a restart, during which neighbors
 * keep the routes, or with a farewell where no agent follows; SIGINT ends all sessions with a NOTIFICATION; SIGHUP reads the
 * manifests again.
 */
import { join } from 'node:path'
import { engineOptionsOf, openSource, reportAt, runFile, tableOf } from './agent-parts.ts'
import type { Millis } from './base/units.ts'
import type { AgentOptions } from './cli/agent-arguments.ts'
import type { PodSelection } from './cluster/intent.ts'
import { readKept } from './cluster/last-good.ts'
import { BGP_PORT } from './cluster/node.ts'
import { systemClock } from './edge/clock.ts'
import { crashLoudly, Driver } from './edge/driver.ts'
import { CniFile } from './edge/kernel/cni.ts'
import { Forwarding } from './edge/kernel/forwarding.ts'
import { Nft } from './edge/kernel/nft.ts'
import { Rtnetlink } from './edge/kernel/rtnetlink.ts'
import { Keys } from './edge/keys.ts'
import { collectOftenFromNowOn, mapLargeArrays } from './edge/memory.ts'
import { BfdEdge } from './edge/net/bfd.ts'
import { connectBfd } from './edge/net/bfd-client.ts'
import { startBfdThread } from './edge/net/bfd-thread.ts'
import { HealthCheck } from './edge/net/health.ts'
import { Ndp } from './edge/net/ndp.ts'
import { Tcp } from './edge/net/tcp.ts'
import { awaitPort } from './edge/operate/bgp-port.ts'
import { Control } from './edge/operate/control.ts'
import { type HttpServer, openHttp, parseHttpAddress, whyNotLive, whyNotReady } from './edge/operate/http.ts'
import { ignoreSignals } from './edge/operate/idle-signals.ts'
import { Liveness } from './edge/operate/liveness.ts'
import { type Lock, lockDataplane } from './edge/operate/lock.ts'
import { type Log, openLog } from './edge/operate/log.ts'
import { Metrics } from './edge/operate/metrics.ts'
import { whyMachineEnds } from './edge/operate/shutdown.ts'
import { Unfollowed } from './edge/operate/unfollowed.ts'
import { Recorder } from './edge/replay/recorder.ts'
import type { Source } from './edge/resources.ts'
import type { RunFile } from './edge/run-file.ts'
import { StatusFile } from './edge/status-file.ts'
import { VERSION } from './edge/version.ts'
import { readByHand } from './engine/by-hand.ts'
import type { Effect } from './engine/effect.ts'
import { Engine } from './engine/engine.ts'
import type { Input } from './engine/input.ts'
import { FAREWELL } from './engine/leave.ts'
import { logLine } from './engine/log-line.ts'
import { readRestart } from './engine/restart.ts'

/** How long neighbors may take to read the last messages. */
const LAST_LINE: Millis = 3_000
/** From the farewell to the end: how long neighbors may take to move to other paths, and then to read the last messages. */
const FAREWELL_LIMIT: Millis = FAREWELL + LAST_LINE

/** Runs until told to stop. 0 after an orderly end, 1 where it could not begin. */
export async function runAgent(options: AgentOptions): Promise<number> {
  mapLargeArrays()
  const log = openLog({ level: options.logLevel })
  const agent = new Agent(options, log)
  try {
    const opened = agent.open()
    agent.followSignals(opened.catch(() => {}))
    await opened
    await agent.ended
    return 0
  } catch (error) {
    log.write(logLine('error', 'agent-failed', error instanceof Error ? error.message : String(error)))
    return 1
  } finally {
    await agent.close()
    log.end()
  }
}

class Agent {
  readonly #options: AgentOptions
  readonly #log: Log
  readonly #engine: Engine
  readonly #driver: Driver
  readonly #tcp: Tcp
  readonly #liveness = new Liveness(() => systemClock.now())
  readonly #keys: Keys
  /** Names of the Secrets that hold keys. */
  #secrets: readonly string[] = []
  #pods: PodSelection | undefined
  /** Our control socket, and those in place of Calico's BIRD. */
  readonly #controls: readonly Control[]
  readonly #cni: CniFile
  readonly #ndp: Ndp
  readonly #health: HealthCheck
  /** With `--dataplane none` it only reads: links and addresses, and default routes where a neighbor is the gateway. */
  readonly #rtnetlink: Rtnetlink
  readonly #bfd: BfdEdge
  /** Undefined with `--dataplane none`. */
  readonly #nft: Nft | undefined
  readonly #forwarding: Forwarding | undefined
  readonly #metrics: Metrics
  readonly #unfollowed: Unfollowed
  /** Files beside the control socket: the last good objects, what the next run must know, and what people asked for. */
  readonly #lastGood: RunFile
  readonly #restart: RunFile
  readonly #byHand: RunFile
  /** Undefined unless asked for. */
  readonly #statusFile: StatusFile | undefined
  readonly ended: Promise<void>
  #end: () => void = () => {}
  #source: Source | undefined
  #http: HttpServer | undefined
  #lock: Lock | undefined
  /** Told to end, perhaps before it has begun. */
  readonly #ending = new AbortController()

  constructor(options: AgentOptions, log: Log) {
    this.#options = options
    this.#log = log
    const view = () => this.#engine.view(systemClock.now())
    this.#metrics = new Metrics({ version: VERSION, view, onScrape: () => this.#unfollowed.refresh() })
    const engineOptions = engineOptionsOf(options)
    this.#engine = new Engine(engineOptions)
    const recorder = new Recorder(this.#engine, engineOptions)
    const beside = options.control.replace(/\.sock$/, '')
    const perform = (effect: Effect) => this.#perform(effect)
    const crash = (error: unknown) => {
      log.end()
      crashLoudly(error, recorder.write(`${beside}.replay.jsonl`, error))
    }
    // An exception outside of a turn comes from an edge. Node would print it and wait for a reader of stderr.
    process.on('uncaughtException', crash)
    const unread = () => this.#tcp.unread()
    this.#driver = new Driver({ engine: recorder, clock: systemClock, perform, unread, crash })
    const feed = (input: Input) => this.#driver.feed(input)
    this.#unfollowed = new Unfollowed({
      feed,
      read: { nat: async () => this.#nft?.count(), bfd: () => this.#bfd.ask() },
    })
    this.#keys = new Keys(options.namespace)
    this.#tcp = new Tcp({ feed, keys: this.#keys })
    this.#controls = this.#controlsFor(options)
    this.#cni = new CniFile({ directory: options.cniDirectory, feed })
    this.#ndp = new Ndp({ feed })
    this.#health = new HealthCheck({ feed })
    this.#lastGood = runFile(`${beside}.last-good.json`, feed)
    this.#restart = runFile(`${beside}.restart.json`, feed)
    this.#byHand = runFile(`${beside}.by-hand.json`, feed)
    const { status: path, node } = options
    this.#statusFile = path === undefined ? undefined : new StatusFile({ path, node, report: reportAt(path, feed) })
    this.#rtnetlink = new Rtnetlink({ feed, table: options.dataplane === 'linux' ? tableOf(options) : undefined })
    this.#nft = options.dataplane === 'linux' ? new Nft({ feed }) : undefined
    this.#forwarding = options.dataplane === 'linux' ? new Forwarding({ feed }) : undefined
    const { bfd } = options
    this.#bfd = new BfdEdge({
      feed,
      start: bfd === 'thread' ? startBfdThread(false) : connectBfd(bfd),
      outlivesUs: bfd !== 'thread',
    })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  #feedFromSource(input: Input): void {
    if (input.kind === 'synced') collectOftenFromNowOn()
    this.#driver.feed(input)
  }

  #controlsFor({ control, controlGroup: group, calicoControl }: AgentOptions): Control[] {
    let clients = 0
    const shared = { group, feed: (input: Input) => this.#unfollowed.take(input), nextId: () => ++clients }
    const own = new Control({ path: control, ...shared })
    if (calicoControl === undefined) return [own]
    const ipv4 = new Control({ path: join(calicoControl, 'bird.ctl'), bird1: 'ipv4', ...shared })
    const ipv6 = new Control({ path: join(calicoControl, 'bird6.ctl'), bird1: 'ipv6', ...shared })
    return [own, ipv4, ipv6]
  }

  async open(): Promise<void> {
    const { node, source } = this.#options
    this.#log.write(logLine('info', 'starting', `godwit ${VERSION} on ${node}`, { version: VERSION, node, source }))
    if (this.#nft !== undefined) this.#lock = await lockDataplane()
    const [own, ...calicos] = this.#controls
    await own?.open()
    await this.#openHttp()
    await this.#awaitSpeaker()
    if (this.#ending.signal.aborted) return
    for (const control of calicos) await control.open()
    await this.#rtnetlink.open()
    this.#nft?.open()
    this.#forwarding?.open()
    this.#driver.feed({ kind: 'remembered', objects: (await this.#lastGood.read(readKept)) ?? [] })
    const document = await this.#restart.read(readRestart)
    const byHand = await this.#byHand.read(readByHand)
    this.#driver.feed({ kind: 'restarted', document, byHand, forwards: this.#forwarding?.families })
    this.#source = await openSource(this.#options, this.#keys, (input) => this.#feedFromSource(input))
    this.#source.followSecrets?.(this.#secrets)
    this.#source.followPods?.(this.#pods)
  }

  /**
   * Where the kernel routes of a speaker are to be taken over, it may still run: then nothing begins before it has ended. It
   * has the port of BGP, whichever one the objects, which are not known yet, name for us.
   */
  async #awaitSpeaker(): Promise<void> {
    if (this.#options.adopt.length === 0) return
    const text = `another speaker has port ${BGP_PORT} of this machine: sessions begin, and its routes are taken over, when it has ended`
    const waits = () => this.#log.write(logLine('warn', 'speaker-awaited', text))
    await awaitPort(BGP_PORT, waits, this.#ending.signal)
  }

  /** The first process of a container gets no signal that it does not handle: one that comes early waits for `opened`. */
  followSignals(opened: Promise<unknown>): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        this.#ending.abort()
        void opened.then(() => this.#stop(signal))
      })
    process.on('SIGHUP', () => this.#reread())
    ignoreSignals(['SIGUSR1'], (line) => this.#log.write(line))
  }

  async #openHttp(): Promise<void> {
    const { http } = this.#options
    if (http === undefined) return
    const address = parseHttpAddress(http)
    if (address === undefined) throw new Error(`--http ${http}: not HOST:PORT`)
    this.#http = await openHttp({
      ...address,
      metrics: this.#metrics,
      whyNotLive: () => this.#liveness.note(whyNotLive(this.#driver)),
      whyNotReady: () => whyNotReady(this.#engine.view(systemClock.now())),
    })
  }

  #reread(): void {
    const source = this.#source
    const does =
      source?.reread === undefined ? 'nothing to do: the agent always watches the API' : 'reading the manifests again'
    this.#log.write(logLine('info', 'reread', `SIGHUP: ${does}`))
    source?.reread?.()
  }

  async #stop(signal: 'SIGTERM' | 'SIGINT'): Promise<void> {
    const reason = signal === 'SIGINT' ? undefined : await this.#whyLeaves()
    // Through a farewell the status is still written: the last one says that this node leaves.
    if (reason !== undefined) this.#endBy('farewell', reason, FAREWELL_LIMIT)
    else {
      void this.#source?.stop()
      // An upgrade, or what cannot be distinguished from one: neighbors must keep the routes of this node.
      const how = signal === 'SIGTERM' ? 'restart' : 'leave'
      this.#endBy(how, `agent stopped by ${signal}`, LAST_LINE)
    }
  }

  #endBy(how: Extract<Input, { kind: 'stop' }>['how'], reason: string, within: Millis): void {
    this.#driver.feed({ kind: 'stop', reason, how })
    setTimeout(this.#end, within).unref()
  }

  /** Why no agent follows this one on this node: by its pod and DaemonSet, or by the machine where it is no pod. */
  #whyLeaves(): Promise<string | undefined> {
    if (this.#options.pod === undefined) return whyMachineEnds()
    // The kubelet may end a container that fails its probe, and then starts another one.
    if (this.#liveness.isInDoubt) return Promise.resolve(undefined)
    return this.#source?.whyLeaves?.() ?? whyMachineEnds()
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#source?.stop(),
      this.#tcp.stop(),
      ...this.#controls.map((control) => control.close()),
      this.#http?.close(),
      this.#cni.stop(),
      this.#ndp.stop(),
      this.#rtnetlink.stop(),
      this.#nft?.stop(),
      this.#lastGood.close(),
      this.#bfd.stop(),
      this.#restart.close(),
      this.#byHand.close(),
      this.#statusFile?.close(),
    ])
    this.#forwarding?.stop()
    this.#health.stop()
    this.#driver.stop()
    this.#lock?.release()
    this.#log.write(logLine('info', 'stopped', 'stopped'))
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'secrets':
        this.#keys.want(effect.names)
        this.#source?.followSecrets?.(effect.names)
        this.#secrets = effect.names
        return
      case 'pods':
        this.#source?.followPods?.(effect.selection)
        this.#pods = effect.selection
        return
      case 'protect':
      case 'listen':
      case 'dial':
      case 'send':
      case 'close':
      case 'refuse':
        this.#tcp.perform(effect)
        return
      case 'reply':
      case 'hang-up':
        for (const control of this.#controls) control.perform(effect)
        return
      case 'routes':
        this.#rtnetlink.perform(effect)
        return
      case 'follow-default-routes':
        this.#rtnetlink.followDefaults(effect.wanted)
        return
      case 'nft':
        this.#nft?.perform(effect)
        return
      case 'cni':
        this.#cni.perform(effect)
        return
      case 'health':
        this.#health.perform(effect)
        return
      case 'discover':
        this.#ndp.perform(effect)
        return
      case 'bfd':
        this.#bfd.perform(effect)
        return
      case 'log':
        this.#log.write(effect.line)
        this.#metrics.note(effect.line)
        return
      case 'measure':
        this.#metrics.measure(effect.name, systemClock.now() - effect.since)
        return
      case 'remember':
        this.#lastGood.write(effect.objects)
        return
      case 'remember-restart':
        this.#restart.write(effect.document)
        return
      case 'remember-by-hand':
        this.#byHand.write(effect.document)
        return
      case 'status':
      case 'conditions':
      case 'events':
      case 'untaint':
        this.#source?.report?.(effect)
        this.#statusFile?.perform(effect)
        return
      case 'done':
        this.#ending.abort()
        this.#end()
        return
    }
  }
}
