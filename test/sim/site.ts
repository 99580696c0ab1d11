/** Where agents run: the API that says what should be, and the machines that read it. */
import type { ObjectChange } from '../../src/cluster/source.ts'
import { type ApiObject, remove, upsert } from '../support/objects.ts'
import type { Host, World } from '../support/world.ts'

const keyOf = ({ kind, metadata }: ApiObject): string => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`

/** Objects, and machines that watch them: each hears of every change after a while of its own, in order. */
export class Api {
  readonly #objects = new Map<string, ApiObject>()
  readonly #sites = new Set<Site>()
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  watch(site: Site): void {
    this.#sites.add(site)
  }

  unwatch(site: Site): void {
    this.#sites.delete(site)
  }

  list(): readonly ApiObject[] {
    return [...this.#objects.values()]
  }

  put(...objects: readonly ApiObject[]): void {
    for (const object of objects) {
      this.#objects.set(keyOf(object), object)
      this.#tell(object, upsert(object))
    }
  }

  delete(object: ApiObject): void {
    if (this.#objects.delete(keyOf(object))) this.#tell(object, remove(object))
  }

  #tell(object: ApiObject, change: ObjectChange): void {
    for (const site of this.#sites) if (site.sees(object)) this.#stage.tell(site, change)
  }
}

export interface SiteOptions {
  readonly name: string
  readonly addresses: readonly string[]
  readonly api: Api
  readonly sees?: (object: ApiObject) => boolean
}

/** A machine. `host` is the agent that runs on it now. */
export class Site {
  readonly name: string
  readonly addresses: readonly string[]
  readonly api: Api
  readonly sees: (object: ApiObject) => boolean
  host: Host | undefined
  /** Until when it has heard of what changed. */
  heard = 0

  constructor({ name, addresses, api, sees = () => true }: SiteOptions) {
    this.name = name
    this.addresses = addresses
    this.api = api
    this.sees = sees
  }

  objects(): readonly ApiObject[] {
    return this.api.list().filter(this.sees)
  }
}

const WATCH_DELAY = 400

export class Stage {
  readonly world: World
  readonly sites = new Map<string, Site>()

  constructor(world: World) {
    this.world = world
  }

  place(options: SiteOptions): Site {
    const site = new Site(options)
    this.sites.set(site.name, site)
    options.api.watch(site)
    return site
  }

  /** The machine is gone for good. */
  displace(site: Site, how: 'process' | 'power'): void {
    this.crash(site, how)
    site.api.unwatch(site)
    this.sites.delete(site.name)
  }

  boot(site: Site): void {
    if (site.host !== undefined) return
    const changes = site.objects().map((object) => upsert(object))
    site.host = this.world.add(site.name, site.addresses, changes)
  }

  crash(site: Site, how: 'process' | 'power'): void {
    if (site.host === undefined) return
    this.world.crash(site.host, how)
    site.host = undefined
  }

  tell(site: Site, change: ObjectChange): void {
    const { world } = this
    const { host } = site
    if (host === undefined) return
    site.heard = Math.max(site.heard, world.now + world.chance.next() * WATCH_DELAY)
    world.at(site.heard, () => {
      if (site.host === host) world.change(host, [change])
    })
  }

  running(): Site[] {
    return [...this.sites.values()].filter(({ host }) => host !== undefined)
  }
}
