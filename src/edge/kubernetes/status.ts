/**
 * Writes to the API: the status of this node, Events, and while the agent holds the Lease the conditions of objects and
 * the removal of startup taints. Each is a job with a back-off of its own; none delays the engine or another job. Where
 * the API refuses (no rights, no CRD), one problem reports it, and everything else continues.
 */
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'
import type { StatusEffect } from '../resources.ts'
import type { Api } from './api.ts'
import { EventWriter } from './write/events.ts'
import { Job, type JobOptions, type JobTiming, NOT_TRIED } from './write/job.ts'
import { LeaseKeeper } from './write/lease.ts'
import { NodeConditionWriter } from './write/node-condition.ts'
import { NodeStatusWriter } from './write/node-status.ts'
import { ObjectClient, type ObjectPath } from './write/object-client.ts'
import { ObjectStatusWriter } from './write/object-status.ts'
import { StartupTaint } from './write/startup-taint.ts'

export interface StatusDoorOptions {
  readonly api: Api
  readonly node: string
  readonly namespace: string
  /** Where the objects of a kind are read. */
  readonly place: (kind: string) => ObjectPath | undefined
  /** Write the condition of the Node, and remove startup taints. */
  readonly nodeReadiness: boolean
  readonly timing: JobTiming
  /** How many nodes the cluster has. */
  readonly nodes: () => number
  readonly feed: (input: Input) => void
  /** Why the API refuses a write; undefined: it does not. */
  readonly report: (text: string | undefined) => void
}

type JobName = 'BGPNodeStatus' | 'the condition of the Node' | 'conditions' | 'Events' | 'Lease' | 'startup taints'

/** For an agent that ends: gives the Lease back. */
const FAREWELL: Millis = 1_000

export class StatusDoor {
  readonly #options: StatusDoorOptions
  readonly #status: NodeStatusWriter
  /** Undefined where the Node does not get one. */
  readonly #condition: NodeConditionWriter | undefined
  readonly #objects: ObjectStatusWriter
  readonly #events: EventWriter
  readonly #taint: StartupTaint
  readonly #lease: LeaseKeeper
  readonly #jobs: Readonly<Record<JobName, Job>>
  /** By job. */
  readonly #refusals = new Map<string, string>()
  readonly #awaitingLease = new Set<'conditions' | 'startup taints'>()
  #reported: string | undefined
  #spread: Millis = 0
  #isStarted = false

  constructor(options: StatusDoorOptions) {
    this.#options = options
    const { api, node, namespace, place, nodeReadiness, timing, nodes } = options
    const client = new ObjectClient(api, timing.silence)
    this.#status = new NodeStatusWriter(client, node)
    this.#condition = nodeReadiness ? new NodeConditionWriter(client, node) : undefined
    this.#objects = new ObjectStatusWriter(client, (kind) => place(kind) as ObjectPath, timing)
    this.#events = new EventWriter(client, node, ({ kind }) => place(kind), timing.pause)
    this.#taint = new StartupTaint(client, timing)
    const onChange = (held: boolean) => this.#setHeld(held)
    this.#lease = new LeaseKeeper({ client, node, namespace, nodes, onChange })
    this.#jobs = {
      BGPNodeStatus: this.#job('BGPNodeStatus', (signal) => this.#status.write(signal)),
      'the condition of the Node': this.#job('the condition of the Node', async (signal) =>
        this.#condition?.write(signal),
      ),
      conditions: this.#job('conditions', async (signal) =>
        this.#mayWrite('conditions') ? this.#objects.write(signal) : NOT_TRIED,
      ),
      Events: this.#job('Events', (signal) => this.#events.write(signal)),
      Lease: this.#job('Lease', (signal) => this.#stepLease(signal)),
      'startup taints': this.#job('startup taints', async (signal) =>
        this.#mayWrite('startup taints') ? this.#taint.removeFromReady(signal) : NOT_TRIED,
      ),
    }
  }

  #job(name: string, run: JobOptions['run']): Job {
    const refused = (text: string | undefined) => this.#setRefused(name, text)
    return new Job({ timing: this.#options.timing, run, refused, spread: () => this.#spread })
  }

  /** Only the holder of the Lease writes these. A job that comes while the Lease has lapsed is woken after its renewal. */
  #mayWrite(job: 'conditions' | 'startup taints'): boolean {
    if (this.#lease.isHeld) return true
    this.#awaitingLease.add(job)
    return false
  }

  async #stepLease(signal: AbortSignal): Promise<Millis> {
    const pause = await this.#lease.step(signal)
    if (!this.#lease.isHeld) return pause
    for (const job of this.#awaitingLease) this.#jobs[job].wake()
    this.#awaitingLease.clear()
    return pause
  }

  perform(effect: StatusEffect): void {
    // Before all objects are known, no condition is written and the Lease is not requested.
    if (!this.#isStarted) this.#jobs.Lease.wake()
    this.#isStarted = true
    switch (effect.kind) {
      case 'status':
        this.#spread = effect.spread
        this.#status.set(effect.status)
        this.#condition?.set(effect.status)
        this.#wakeOwn()
        return
      case 'conditions':
        this.#objects.set(effect.objects, effect.whole)
        this.#jobs.conditions.wake()
        return
      case 'events':
        this.#events.add(effect.events)
        this.#jobs.Events.wake()
        return
      case 'untaint':
        this.#taint.set(effect.nodes)
        if (effect.nodes.length > 0) this.#jobs['startup taints'].wake()
        return
    }
  }

  /** What was written about the Node belonged to the one before. */
  nodeReturned(): void {
    this.#status.startOver()
    this.#condition?.startOver()
    this.#wakeOwn()
  }

  /** What was written may be lost: it is written again where it differs. */
  restored(): void {
    this.nodeReturned()
    if (!this.#lease.isHeld) return
    for (const held of [false, true]) this.#setHeld(held)
  }

  /** What is written about this node. */
  #wakeOwn(): void {
    this.#jobs.BGPNodeStatus.wake()
    if (this.#condition !== undefined) this.#jobs['the condition of the Node'].wake()
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#jobs).map((job) => job.stop()))
    await this.#lease.release(AbortSignal.timeout(FAREWELL)).catch(() => {})
  }

  #setHeld(held: boolean): void {
    if (!held) {
      this.#objects.clear()
      this.#taint.set([])
      // Another agent writes these now, and says what refuses them.
      for (const job of ['conditions', 'startup taints']) this.#setRefused(job, undefined)
    }
    this.#options.feed({ kind: 'lease', held })
  }

  /** Several jobs may fail: the first one is reported until it succeeds, with its newest reason. */
  #setRefused(name: string, text: string | undefined): void {
    if (text === undefined) this.#refusals.delete(name)
    else this.#refusals.set(name, text)
    const [first] = this.#refusals
    const reported = first && `${first[0]} cannot be written: ${first[1]}; sessions and routes go on`
    if (reported === this.#reported) return
    this.#reported = reported
    this.#options.report(reported)
  }
}
