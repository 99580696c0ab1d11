/**
 * The Kubernetes API as a source of objects. One reflector per kind reads changes; those of one poll of all sockets
 * become one input. `synced` follows when every kind has been listed.
 */
import type { Millis } from '../../base/units.ts'
import type { PodSelection } from '../../cluster/intent.ts'
import type { Kind, ObjectChange } from '../../cluster/source.ts'
import type { Input } from '../../engine/input.ts'
import { Keys } from '../keys.ts'
import { podsOn, type Resource, resourcesOf, type Source, type StatusEffect, secretsIn } from '../resources.ts'
import { type Api, connectApi } from './api.ts'
import { ApiErrors } from './api-errors.ts'
import { Contact } from './contact.ts'
import { whyPodLeaves } from './ending.ts'
import { OtherNodes } from './other-nodes.ts'
import { OTHER_NODE_WAIT, OwnNode, type OwnNodeTiming } from './own-node.ts'
import { Reflector, type ReflectorTiming, type Sink, USUAL_TIMING } from './reflector.ts'
import { StatusDoor } from './status.ts'
import { type JobTiming, USUAL_JOB } from './write/job.ts'

export interface KubernetesOptions {
  /** Undefined: the cluster that this pod runs in, or kubectl's default. */
  readonly kubeconfig: string | undefined
  /** `godwit.dev` or `godwit.dev/v1`. */
  readonly apiGroup: string
  readonly feed: (input: Input) => void
  /** Keys of Secrets are kept there. */
  readonly keys?: Keys
  /** The agent's namespace, which has its Secrets. */
  readonly namespace?: string
  /** The agent's node, and its pod where it runs in one. */
  readonly node?: string
  readonly pod?: string
  readonly ownNodeTiming?: OwnNodeTiming
  readonly otherNodeWait?: Millis
  readonly timing?: Partial<ReflectorTiming>
  /** Undefined: nothing is written to the API. */
  readonly status?: StatusWriting
}

/** What is written, and for which node. */
interface StatusWriting {
  readonly node: string
  readonly nodeReadiness: boolean
  readonly timing?: Partial<JobTiming>
}

/** Rejects with one line when the kubeconfig is invalid; a server that does not answer is only reported. */
export async function openKubernetes(options: KubernetesOptions): Promise<Source> {
  const api = await connectApi(options.kubeconfig)
  return new Kubernetes(api, options)
}

const INSECURE =
  'insecure-skip-tls-verify is set: the agent cannot verify the API server, which decides what is advertised; set certificate-authority instead'

class Kubernetes implements Source {
  readonly kind = 'kubernetes'
  readonly #api: Api
  readonly #contact = new Contact()
  readonly #feed: (input: Input) => void
  readonly #timing: ReflectorTiming
  readonly #namespace: string
  readonly #reflectors: readonly Reflector[]
  readonly #pod: string | undefined
  readonly #ownNode: OwnNode | undefined
  readonly #otherNodes: OtherNodes
  /** By name. */
  readonly #secrets = new Map<string, Reflector>()
  readonly #node: string | undefined
  /** Undefined: no object asks for pods. */
  #pods: Reflector | undefined
  /** Kinds that have not been listed yet. */
  readonly #unlisted: Set<Kind>
  /** Undefined where nothing is written. */
  readonly #status: StatusDoor | undefined
  readonly #errors = new ApiErrors((one) => this.#gather(one))
  #changes: ObjectChange[] = []
  #flushing: NodeJS.Immediate | undefined

  constructor(api: Api, options: KubernetesOptions) {
    const {
      apiGroup,
      feed,
      timing,
      keys = new Keys(),
      namespace = 'godwit',
      node: name,
      ownNodeTiming,
      otherNodeWait = OTHER_NODE_WAIT,
      status,
    } = options
    const resources = resourcesOf(apiGroup)
    this.#pod = options.pod
    this.#node = name
    this.#otherNodes = new OtherNodes(otherNodeWait, this.#gather)
    const nodes = resources.find(({ kind }) => kind === 'Node')
    if (name !== undefined && nodes !== undefined) {
      this.#ownNode = new OwnNode({
        name,
        resource: nodes,
        api,
        pass: this.#passNode,
        returned: () => this.#status?.nodeReturned(),
        timing: ownNodeTiming,
      })
    }
    this.#api = api
    if (api.insecure) this.#gather({ kind: 'source-problem', at: `${api.server}`, text: INSECURE, level: 'warning' })
    this.#namespace = namespace
    this.#timing = { ...USUAL_TIMING, ...timing }
    this.#feed = (input) => feed(keys.redact(input))
    this.#unlisted = new Set(resources.map(({ kind }) => kind))
    this.#reflectors = resources.map((resource) => this.#reflect(resource))
    this.#status = status && this.#openStatus(status)
  }

  #openStatus({ timing, ...rest }: StatusWriting): StatusDoor {
    const report = (text: string | undefined) =>
      this.#gather({ kind: 'source-problem', at: 'Kubernetes/status', text, level: 'warning' })
    return new StatusDoor({
      ...rest,
      api: this.#api,
      namespace: this.#namespace,
      place: (kind) => this.#reflectors.map(({ place }) => place).find((one) => one.kind === kind),
      timing: { ...USUAL_JOB, ...timing },
      nodes: () => this.#contact.nodes,
      feed: (input) => this.#feed(input),
      report,
    })
  }

  report(effect: StatusEffect): void {
    this.#status?.perform(effect)
  }

  async whyLeaves(): Promise<string | undefined> {
    return this.#pod === undefined
      ? undefined
      : whyPodLeaves(this.#api, { namespace: this.#namespace, name: this.#pod })
  }

  async stop(): Promise<void> {
    this.#ownNode?.stop()
    this.#otherNodes.stop()
    await this.#status?.stop()
    const all = [...this.#reflectors, ...this.#secrets.values(), ...(this.#pods === undefined ? [] : [this.#pods])]
    await Promise.all(all.map((reflector) => reflector.stop()))
    if (this.#flushing !== undefined) clearImmediate(this.#flushing)
    this.#api.close()
  }

  followSecrets(names: readonly string[]): void {
    for (const [name, reflector] of this.#secrets) {
      if (names.includes(name)) continue
      void reflector.stop()
      this.#secrets.delete(name)
      this.#gather({ kind: 'delete', ref: { kind: 'Secret', namespace: this.#namespace, name } })
      this.#errors.set(`Secret/${name}`, undefined)
    }
    for (const name of names) {
      if (!this.#secrets.has(name)) this.#secrets.set(name, this.#reflectSecret(name))
    }
  }

  /**
   * Pods of another selection are listed from the start, and the list replaces those before: a pod of both stays all the time.
   */
  followPods(selection: PodSelection | undefined): void {
    const before = this.#pods
    void before?.stop()
    this.#errors.set('Pod', undefined)
    const isWanted = selection !== undefined && this.#node !== undefined
    this.#pods = isWanted ? this.#reflectPods(this.#node, selection.labelSelector) : undefined
    if (before !== undefined && !isWanted) this.#gather({ kind: 'replace', of: 'Pod', objects: [] })
  }

  /** Reads the pods of all nodes once, for `godwit check`. */
  async readPods({ labelSelector }: PodSelection): Promise<void> {
    const read = Promise.withResolvers<void>()
    const listed = () => {
      this.#flushNow()
      read.resolve()
    }
    const error: Sink['error'] = (one) => this.#errors.set('Pod', one)
    const sink: Sink = { change: this.#gather, listed, error }
    this.#pods = new Reflector(podsOn(undefined, labelSelector), this.#api, sink, this.#timing, this.#contact)
    await read.promise
  }

  /** Ignores what a stopped reflector still reports. */
  #reflectPods(node: string, labelSelector: string | undefined): Reflector {
    const ifCurrent =
      <Value>(report: (value: Value) => void) =>
      (value: Value): void => {
        if (this.#pods === reflector) report(value)
      }
    const sink: Sink = {
      change: ifCurrent(this.#gather),
      listed: () => {},
      error: ifCurrent((one) => this.#errors.set('Pod', one)),
    }
    const reflector = new Reflector(podsOn(node, labelSelector), this.#api, sink, this.#timing, this.#contact)
    return reflector
  }

  /** A reflector of one Secret. Its list is of this name alone, so an empty one deletes the Secret, not all of the kind. */
  #reflectSecret(name: string): Reflector {
    const ref = { kind: 'Secret', namespace: this.#namespace, name } as const
    const change: Sink['change'] = (one) => {
      if (one.kind !== 'replace') this.#gather(one)
      else if (one.objects.length === 0) this.#gather({ kind: 'delete', ref })
      else for (const found of one.objects) this.#gather({ kind: 'upsert', ...found })
    }
    const error: Sink['error'] = (one) => this.#errors.set(`Secret/${name}`, one)
    const sink: Sink = { change, listed: () => {}, error }
    return new Reflector(secretsIn(this.#namespace, name), this.#api, sink, this.#timing, this.#contact)
  }

  /** A deletion of this node's own Node is certain by now. */
  readonly #passNode = (one: ObjectChange): void => {
    const isOwn = one.kind === 'delete' && one.ref.name === this.#node
    if (isOwn) this.#gather(one)
    else this.#otherNodes.take(one)
  }

  readonly #gather = (one: ObjectChange): void => {
    this.#changes.push(one)
    this.#flushing ??= setImmediate(() => this.#flush())
  }

  #reflect(resource: Resource): Reflector {
    const listed = () => {
      if (this.#unlisted.delete(resource.kind) && this.#unlisted.size === 0) this.#sync()
    }
    const error: Sink['error'] = (one) => this.#errors.set(resource.kind, one)
    const own = resource.kind === 'Node' ? this.#ownNode : undefined
    const change: Sink['change'] = own === undefined ? this.#gather : (one) => own.take(one)
    const restored = () => this.#status?.restored()
    return new Reflector(resource, this.#api, { change, listed, error, restored }, this.#timing, this.#contact)
  }

  #flush(): void {
    this.#flushing = undefined
    const changes = this.#changes
    this.#changes = []
    if (changes.length > 0) this.#feed({ kind: 'objects', changes })
  }

  #flushNow(): void {
    if (this.#flushing !== undefined) clearImmediate(this.#flushing)
    this.#flush()
  }

  #sync(): void {
    this.#flushNow()
    this.#feed({ kind: 'synced' })
  }
}
