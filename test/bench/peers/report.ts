/** Tables from measurements. */
import type { Results } from './job.ts'

interface Column {
  readonly key: string
  readonly title: string
  readonly show: (value: number) => string
}

const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3)
const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(bytes >= 100 * 2 ** 20 ? 0 : 1)
const COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU s', show: digits },
  { key: 'wall', title: 'wall s', show: digits },
  { key: 'most', title: '95% at s', show: digits },
  { key: 'p50', title: 'p50 ms', show: digits },
  { key: 'p99', title: 'p99 ms', show: digits },
  { key: 'longest', title: 'longest ms', show: digits },
  { key: 'perRoute', title: 'RSS growth, bytes/route', show: digits },
  { key: 'rss', title: 'RSS MB', show: megabytes },
  { key: 'peak', title: 'RSS peak MB', show: megabytes },
  { key: 'pss', title: 'PSS MB', show: megabytes },
  { key: 'load', title: 'load s', show: digits },
  { key: 'loadCpu', title: 'load CPU s', show: digits },
  { key: 'clear', title: 'CPU s when the neighbor is lost', show: digits },
  { key: 'outBytes', title: 'bytes/route out', show: digits },
]

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export function valuesOf({ measurements }: Results, scenario: string, contestant: string, key: string): number[] {
  return measurements
    .filter((one) => one.scenario === scenario && one.contestant === contestant)
    .flatMap((one) => one.metrics?.[key] ?? [])
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const times = (ratio: number): string => `×${ratio.toFixed(ratio < 10 ? 1 : 0)}`

/** Everything: median (least–most), and the median against the lowest. */
export function fullReport(results: Results): string {
  const parts = [machineLine(results)]
  for (const [scenario, title] of Object.entries(results.scenarios)) {
    const known = Object.entries(results.contestants)
    const columns = COLUMNS.filter(({ key }) => known.some(([id]) => valuesOf(results, scenario, id, key).length > 0))
    const rows = known.map(([id, { label }]) => [
      label,
      ...columns.map(({ key, show }) => {
        const values = valuesOf(results, scenario, id, key)
        if (values.length === 0) return '–'
        const range = `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`
        return `${range} ${times(median(values) / lowest(results, scenario, key))}`
      }),
      othersCell(results, scenario, id),
    ])
    parts.push(`### ${title}`, table(['', ...columns.map((column) => column.title), 'cores others used'], rows))
    for (const { contestant, run, error } of results.measurements.filter((one) => one.scenario === scenario)) {
      if (error !== undefined) parts.push(`${contestant}, run ${run}, failed: ${error.slice(0, 300)}`)
    }
  }
  return `${parts.join('\n\n')}\n`
}

function othersCell({ measurements }: Results, scenario: string, contestant: string): string {
  const others = measurements
    .filter((one) => one.scenario === scenario && one.contestant === contestant)
    .flatMap((one) => one.otherCores ?? [])
  return others.length === 0 ? '–' : median(others).toFixed(2)
}

const lowest = (results: Results, scenario: string, key: string): number =>
  Math.min(
    ...Object.keys(results.contestants).flatMap((id) => {
      const values = valuesOf(results, scenario, id, key)
      return values.length === 0 ? [] : median(values)
    }),
  )

/** What test/bench/PEERS.md shows: scenario, key. */
const SUMMARY: readonly (readonly [string, string])[] = [
  ['ingest-v4', 'cpu'],
  ['ingest-v6', 'cpu'],
  ['transit-v4', 'cpu'],
  ['transit-v6', 'cpu'],
  ['fan-out', 'cpu'],
  ['churn', 'cpu'],
  ['churn', 'p99'],
  ['originate', 'cpu'],
  ['originate', 'wall'],
  ['ingest-v4', 'perRoute'],
  ['ingest-v6', 'perRoute'],
  ['idle', 'rss'],
  ['idle', 'wall'],
  ['bare-10k', 'cpu'],
  ['kernel-10k', 'cpu'],
  ['bare-95k', 'cpu'],
  ['kernel-95k', 'cpu'],
  ['kernel-95k', 'clear'],
  ['kernel-95k', 'rss'],
]

/** Medians; behind those of others, how many times ours. */
export function summary(results: Results): string {
  const known = Object.entries(results.contestants)
  const rows = SUMMARY.flatMap(([scenario, key]) => {
    const column = COLUMNS.find((one) => one.key === key)
    const title = results.scenarios[scenario]
    if (column === undefined || title === undefined) return []
    const ours = valuesOf(results, scenario, 'ours', key)
    const cells = known.map(([id]) => {
      const values = valuesOf(results, scenario, id, key)
      if (values.length === 0) return '–'
      const value = median(values)
      return id === 'ours' || ours.length === 0
        ? `**${column.show(value)}**`
        : `${column.show(value)} ${times(value / median(ours))}`
    })
    return [[`${title}: ${column.title}`, ...cells]]
  })
  const heads = ['', ...known.map(([id, { label, version }]) => (id === 'ours' ? label : `${label} ${version}`))]
  return `${table(heads, rows)}\n\n${machineLine(results)}`
}

function machineLine({ machine, runs, measurements }: Results): string {
  const { cpu, cores, memoryMb, kernel, node, date } = machine
  const others = measurements.flatMap(({ otherCores }) => otherCores ?? [])
  const busy = others.length === 0 ? '' : ` Other work kept ${median(others).toFixed(1)} cores busy meanwhile (median).`
  const hardware = `${cores} × ${cpu}, ${Math.round(memoryMb / 1024)} GB, Linux ${kernel.split('-')[0]}`
  return `Medians of ${runs}, ${date.slice(0, 10)}, ${hardware}, Node ${node}.${busy}`
}
