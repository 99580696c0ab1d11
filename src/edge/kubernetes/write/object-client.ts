/** The requests that writing needs: get, list, create, replace and patch of an object. */
import type { Millis } from '../../../base/units.ts'
import { pathOf } from '../../resources.ts'
import { type Api, ApiError, type PatchType } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'

/** The path of a kind's objects. */
export interface ObjectPath {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespace?: string
}

/** Objects on one page of a list. */
const PAGE = 200

export class ObjectClient {
  readonly #api: Api
  readonly #silence: Millis

  constructor(api: Api, silence: Millis) {
    this.#api = api
    this.#silence = silence
  }

  /** Undefined: the object does not exist. */
  async get(place: ObjectPath, name: string, signal: AbortSignal): Promise<ApiFields | undefined> {
    try {
      return fields(await this.#api.get(at(place, name), {}, { silence: this.#silence, signal }))
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  /** The same for an agent with the right to list and not to get. */
  async find(place: ObjectPath, name: string, signal: AbortSignal): Promise<ApiFields | undefined> {
    const query = { fieldSelector: `metadata.name=${name}`, limit: 1 }
    return itemsOf(await this.#api.get(pathOf(place), query, { silence: this.#silence, signal }))[0]
  }

  /** All objects, page by page. */
  async *list(place: ObjectPath, signal: AbortSignal): AsyncIterable<ApiFields> {
    let token: unknown
    do {
      const query = { limit: PAGE, continue: typeof token === 'string' ? token : undefined }
      const page = await this.#api.get(pathOf(place), query, { silence: this.#silence, signal })
      yield* itemsOf(page)
      token = metaOf(fields(page)).continue
    } while (typeof token === 'string' && token !== '')
  }

  async create(place: ObjectPath, object: ApiFields, signal: AbortSignal): Promise<ApiFields> {
    return fields(await this.#api.send('POST', pathOf(place), object, { silence: this.#silence, signal }))
  }

  async replace(place: ObjectPath, name: string, object: ApiFields, signal: AbortSignal): Promise<ApiFields> {
    return fields(await this.#api.send('PUT', at(place, name), object, { silence: this.#silence, signal }))
  }

  /** `part`: `/status`. */
  async patch(
    place: ObjectPath,
    name: string,
    change: ApiFields,
    signal: AbortSignal,
    how: Patching = {},
  ): Promise<void> {
    const { part = '', type = 'merge' } = how
    await this.#api.send('PATCH', at(place, name) + part, change, { silence: this.#silence, signal }, type)
  }
}

interface Patching {
  readonly part?: '/status'
  readonly type?: PatchType
}

const at = (place: ObjectPath, name: string): string => `${pathOf(place)}/${encodeURIComponent(name)}`

export const metaOf = (object: ApiFields | undefined): ApiFields => fields(object?.metadata)

function itemsOf(list: unknown): readonly ApiFields[] {
  const { items } = fields(list)
  return Array.isArray(items) ? items.map(fields) : []
}
