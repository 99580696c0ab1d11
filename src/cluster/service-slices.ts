/** The EndpointSlices of each service: one or two for most. */
import type { ParsedObjects } from './objects.ts'

type Slice = ParsedObjects['EndpointSlice']
export type SliceOrNone = Slice | undefined

const NO_SLICES: readonly Slice[] = []

export class ServiceSlices {
  readonly #slices = new Map<string, readonly Slice[]>()

  of(service: string): readonly Slice[] {
    return this.#slices.get(service) ?? NO_SLICES
  }

  /** Puts a slice in the place of the one before. Returns the services whose slices are others now. */
  set(before: SliceOrNone, value: SliceOrNone): Set<string> {
    const changed = new Set<string>()
    for (const slice of [before, value]) {
      const service = slice?.service
      if (service === undefined) continue
      const others = this.of(service).filter((one) => one !== before)
      const slices = slice === value && value !== undefined ? [...others, value] : others
      if (slices.length === 0) this.#slices.delete(service)
      else this.#slices.set(service, slices)
      changed.add(service)
    }
    return changed
  }
}
