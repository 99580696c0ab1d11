/** One file of manifests: returns the objects in it, and the faults of the rest. Text in, values out. */
import type { Kind, ObjectRef } from '../../cluster/source.ts'
import { isCalicoGroup, type Resource } from '../resources.ts'
import { type ReadDocument, type ReadingOptions, readDocuments } from './documents.ts'
import { groupOf, isOfKind, isOwnGroup } from './kinds.ts'

export interface ManifestObject {
  readonly ref: ObjectRef
  readonly object: unknown
  /** `peers.yaml#2`: the second document; `peers.yaml#2.items[0]` inside a List. */
  readonly from: string
}

export interface ManifestProblem {
  readonly at: string
  readonly text: string
  readonly level?: 'warning'
  /** The kinds that an object at this place may have. */
  readonly hides?: readonly Kind[]
}

export interface ManifestFile {
  readonly objects: readonly ManifestObject[]
  readonly problems: readonly ManifestProblem[]
}

type Fields = Readonly<Record<string, unknown>>

export async function parseManifests(file: string, text: string, reading: ReadingOptions): Promise<ManifestFile> {
  if (text.includes('\0')) return { objects: [], problems: [notUtf8(file, reading.resources)] }
  const reader = new ObjectReader(reading.resources)
  for (const [index, document] of (await readDocuments(text, reading)).entries()) {
    reader.document(`${file}#${index + 1}`, document)
  }
  return { objects: reader.objects, problems: [...reader.problems, ...reader.passedOver()] }
}

/** Some editors and shells write UTF-16, in which every second octet of plain text is 0. */
const notUtf8 = (file: string, resources: readonly Resource[]): ManifestProblem => ({
  at: file,
  text: 'is not text in UTF-8 (save the file in this encoding)',
  hides: resources.map(({ kind }) => kind),
})

/** A document that is not read. */
interface Passed {
  readonly from: string
  readonly kind: string
  readonly apiVersion: string
}

class ObjectReader {
  readonly objects: ManifestObject[] = []
  readonly problems: ManifestProblem[] = []
  /** Kinds that are read, in another group. */
  readonly #elsewhere: Passed[] = []
  /** As calicoctl shows Nodes. */
  readonly #calicoNodes: Passed[] = []
  readonly #resources: readonly Resource[]

  constructor(resources: readonly Resource[]) {
    this.#resources = resources
  }

  document(from: string, { value, fault, itemFaults = NO_FAULTS }: ReadDocument): void {
    if (fault === undefined && (value === null || value === undefined)) return
    this.#take(from, value, fault, itemFaults)
  }

  #take(from: string, value: unknown, fault?: string, itemFaults = NO_FAULTS): void {
    const whyNot =
      fault ?? (isFields(value) ? this.#whyNot(from, value, itemFaults) : `is not an object, found ${shown(value)}`)
    if (whyNot !== undefined) this.problems.push({ at: from, text: whyNot, hides: this.#kindsOf(value) })
  }

  /** The kind that may have been meant. */
  #kindsOf(value: unknown): readonly Kind[] {
    const { kind } = isFields(value) ? value : {}
    const meant = typeof kind === 'string' ? this.#resources.filter((one) => isOfKind(kind, one)) : []
    return (meant.length === 0 ? this.#resources : meant).map((one) => one.kind)
  }

  /** Takes the object, or returns why it cannot. */
  #whyNot(from: string, document: Fields, itemFaults: ItemFaults): string | undefined {
    const { kind, apiVersion } = document
    if (typeof kind !== 'string') return `kind must be text, found ${quote(kind)}`
    if (typeof apiVersion !== 'string') return `apiVersion must be text, found ${quote(apiVersion)}`
    const served = this.#resources.filter((one) => one.apiVersion === apiVersion || one.elsewhere === apiVersion)
    const listed = served.find((one) => `${one.kind}List` === kind)
    if (listed !== undefined) return this.#whyNotItems(from, document, { kind: listed.kind, apiVersion }, itemFaults)
    if (kind === 'List' && apiVersion === 'v1') return this.#whyNotItems(from, document, {}, itemFaults)
    const resource = served.find((one) => one.kind === kind)
    return resource === undefined
      ? this.#whyNotOurs(from, kind, apiVersion)
      : this.#whyNotObject(from, document, resource)
  }

  /** A document of another kind is ignored; a misspelt kind of ours is an error. */
  #whyNotOurs(from: string, kind: string, apiVersion: string): string | undefined {
    const ofGroup = this.#resources.filter((one) => groupOf(one.apiVersion) === groupOf(apiVersion))
    const meant = ofGroup.find((one) => isOfKind(kind, one))
    if (meant !== undefined) return `${kind}: apiVersion ${quote(apiVersion)} is not ${meant.apiVersion}`
    if (this.#isReadElsewhere(kind, apiVersion)) {
      this.#elsewhere.push({ from, kind, apiVersion })
      return undefined
    }
    if (isCalicoGroup(apiVersion) && (kind === 'Node' || kind === 'NodeList'))
      this.#calicoNodes.push({ from, kind, apiVersion })
    // Kinds of every other group are ignored.
    if (!isOwnGroup(apiVersion) || ofGroup.length === 0) return undefined
    return `kind ${quote(kind)} is none of ${ofGroup.map((one) => one.kind).join(', ')}`
  }

  /** A kind of Calico's group that exists in ours, or the reverse: perhaps that one was meant. */
  #isReadElsewhere(kind: string, apiVersion: string): boolean {
    return (
      (isCalicoGroup(apiVersion) || isOwnGroup(apiVersion)) &&
      this.#resources.some((one) => one.custom && isOfKind(kind, one))
    )
  }

  /** Reported once per file, at the first of them. */
  passedOver(): ManifestProblem[] {
    return [...this.#passedElsewhere(), ...this.#passedNodes()]
  }

  #passedNodes(): ManifestProblem[] {
    const [first] = this.#calicoNodes
    if (first === undefined) return []
    const text = `${first.kind} of ${first.apiVersion} is ignored: calicoctl shows Nodes so; write them as \`kubectl get nodes -o yaml\` does`
    return [{ at: first.from, text, level: 'warning' }]
  }

  #passedElsewhere(): ManifestProblem[] {
    const [first, ...others] = this.#elsewhere
    const ours = this.#resources.find(({ custom }) => custom)?.apiVersion
    if (first === undefined || ours === undefined) return []
    const more = others.length === 0 ? 'is' : `and ${others.length} more like it in this file are`
    const remedy = `start the agent with --api-group ${groupOf(first.apiVersion)} to read them, or write ${ours}`
    const text = `${first.kind} of ${first.apiVersion} ${more} ignored: the agent reads objects of ${ours}; ${remedy}`
    return [{ at: first.from, text, level: 'warning' }]
  }

  /** Items of a `BGPPeerList` need not name their kind: it follows from the list. */
  #whyNotItems(from: string, list: Fields, type: Fields, faults: ItemFaults): string | undefined {
    const items = list.items ?? []
    if (!Array.isArray(items)) return `items must be a list, found ${quote(items)}`
    for (const [index, item] of items.entries()) {
      this.#take(`${from}.items[${index}]`, isFields(item) ? typed(item, type) : item, faults.get(index))
    }
    return undefined
  }

  #whyNotObject(from: string, object: Fields, resource: Resource): string | undefined {
    const metadata = isFields(object.metadata) ? object.metadata : {}
    const { name } = metadata
    if (typeof name !== 'string' || name === '')
      return `${resource.kind}: metadata.name must be text, found ${quote(name)}`
    if (!resource.namespaced) {
      this.#keep({ kind: resource.kind, namespace: '', name }, object, from)
      return undefined
    }
    const namespace = metadata.namespace ?? resource.namespace ?? 'default'
    if (typeof namespace !== 'string' || namespace === '') {
      return `${resource.kind}/${name}: metadata.namespace must be text, found ${quote(namespace)}`
    }
    // Most items name their kind and stay the same value: when the file is read again, they are known to be unchanged.
    const placed = metadata.namespace === namespace ? object : { ...object, metadata: { ...metadata, namespace } }
    this.#keep({ kind: resource.kind, namespace, name }, placed, from)
    return undefined
  }

  #keep(ref: ObjectRef, object: unknown, from: string): void {
    this.objects.push({ ref, object, from })
  }
}

/** The same object where it names its kind itself. */
const typed = (item: Fields, type: Fields): Fields =>
  Object.keys(type).every((field) => Object.hasOwn(item, field)) ? item : { ...type, ...item }

type ItemFaults = NonNullable<ReadDocument['itemFaults']>
const NO_FAULTS: ItemFaults = new Map()

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value in a form that people recognize, no longer than fits in a line. */
function quote(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** A text that stands alone may be a key in a file of its own, and a list may be a Secret whose first line is broken. */
const shown = (value: unknown): string =>
  typeof value === 'string' ? 'a text' : Array.isArray(value) ? 'a list' : quote(value)
