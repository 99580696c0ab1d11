/** What of all objects a list or a watch asks for, and how a change looks to a watch that sees only some of them. */
import { matchesFields, matchesLabels } from './selector.ts'
import { Refusal, type StoredEvent, type StoredObject } from './store.ts'

export class Selection {
  readonly #namespace: string | undefined
  readonly #labels: string | null
  readonly #fields: string | null

  /** Throws what the API says of a selector that it does not take. */
  constructor(kind: string, namespace: string | undefined, query: URLSearchParams) {
    this.#namespace = namespace
    this.#labels = query.get('labelSelector')
    this.#fields = query.get('fieldSelector')
    checkFields(kind, this.#fields)
    checkLabels(this.#labels)
  }

  takes(object: StoredObject): boolean {
    if (this.#namespace !== undefined && object.metadata.namespace !== this.#namespace) return false
    if (this.#labels !== null && !matchesLabels(this.#labels, object.metadata.labels ?? {})) return false
    return this.#fields === null || matchesFields(this.#fields, object)
  }

  /** An object that is no longer selected is deleted for whoever watches, and one that is from now on is new. */
  typeOf({ type, object, before }: StoredEvent): StoredEvent['type'] | undefined {
    const [was, is] = [before !== undefined && this.takes(before), this.takes(object)]
    if (type === 'DELETED') return was ? 'DELETED' : undefined
    if (is) return was ? 'MODIFIED' : 'ADDED'
    return was ? 'DELETED' : undefined
  }
}

const EVERYWHERE = ['metadata.name', 'metadata.namespace']
/** Fields that the API selects by, beside the names. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  Node: ['spec.unschedulable'],
  Service: ['spec.clusterIP', 'spec.type'],
  Secret: ['type'],
  Pod: ['spec.nodeName', 'status.phase'],
  'Event.v1': [
    'reportingComponent',
    'involvedObject.name',
    'involvedObject.namespace',
    'involvedObject.kind',
    'involvedObject.uid',
  ],
}

function checkFields(kind: string, selector: string | null): void {
  if (selector === null || selector === '') return
  for (const term of selector.split(',')) {
    const [, field] = /^([^!=]+)(?:!=|==?)/.exec(term) ?? []
    if (field === undefined) throw new Refusal(400, 'BadRequest', `invalid selector: '${selector}'`)
    if (![...EVERYWHERE, ...(SELECTABLE[kind] ?? [])].includes(field))
      throw new Refusal(400, 'BadRequest', `field label not supported: ${field}`)
  }
}

const KEY = '(?:[a-z0-9.-]+/)?[A-Za-z0-9](?:[\\w.-]*[A-Za-z0-9])?'
const TERM = new RegExp(`^(?:!?${KEY}|${KEY}\\s*(?:!=|==?)\\s*[\\w.-]*|${KEY}\\s+(?:in|notin)\\s+\\([^()]*\\))$`)

function checkLabels(selector: string | null): void {
  if (selector === null || selector === '') return
  for (const term of selector.match(/[^,(]+(\([^)]*\))?/g) ?? []) {
    if (!TERM.test(term.trim())) throw new Refusal(400, 'BadRequest', `unable to parse requirement: ${term}`)
  }
}
