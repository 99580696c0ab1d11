/** The page for Prometheus, as prom-client writes it, made in parts: sockets are read between them. */
import type { Registry } from 'prom-client'

/** Series that are written as one part of a page. */
const SERIES_IN_PART = 128

/** HELP and TYPE. */
const HEAD_LINES = 2

/** A metric of prom-client; its type declarations omit `getForPromString`. */
interface Readable {
  get(): Promise<{ readonly values: readonly unknown[] }>
  /** Only histograms and summaries have this method. */
  getForPromString?(): Promise<{ readonly values: readonly unknown[] }>
}

/** Sockets are read and the engine has turns before the next part. */
export const yieldToEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The parts make up the page without anything between them. */
export async function pageParts(registry: Registry): Promise<readonly string[]> {
  const parts: string[] = []
  const metrics = registry.getMetricsAsArray() as unknown as readonly Readable[]
  for (const [index, metric] of metrics.entries()) {
    if (index > 0) parts.push('\n')
    for await (const part of textOf(metric, registry)) {
      parts.push(`${part}\n`)
      await yieldToEventLoop()
    }
  }
  return parts
}

/** The head of a metric, and some series at a time. */
async function* textOf(metric: Readable, registry: Registry): AsyncIterable<string> {
  const all = (await metric.getForPromString?.()) ?? (await metric.get())
  const writer = registry as unknown as { getMetricsAsString(metric: Readable): Promise<string> }
  for (let at = 0; at === 0 || at < all.values.length; at += SERIES_IN_PART) {
    const some = { ...all, values: all.values.slice(at, at + SERIES_IN_PART) }
    const lines = await writer.getMetricsAsString({ get: async () => some })
    yield at === 0 ? lines : lines.split('\n').slice(HEAD_LINES).join('\n')
  }
}
