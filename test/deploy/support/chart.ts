/** The Helm chart of deploy/, rendered as Helm would. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { DEPLOY, type Manifest, readManifests } from './crds.ts'
import { GoTemplates } from './go-template.ts'

export type Values = Readonly<Record<string, unknown>>

export const VALUES = readManifests('values.yaml')[0] as unknown as Values

const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8')

/** Patterns of .helmignore: a name anywhere, or a folder. */
const ignored = read('.helmignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

/** Every file that Helm carries along, without the folder in front. */
export const FILES: readonly string[] = readdirSync(DEPLOY, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(DEPLOY.length))
  .filter((path) => !ignored.some((one) => (one.endsWith('/') ? path.startsWith(one) : path.split('/').at(-1) === one)))
  .sort()

const FOLDER = 'templates/'
const templates = new GoTemplates(
  new Map(FILES.filter((path) => path.startsWith(FOLDER)).map((path) => [path, read(path)])),
)

/** Values of a person over those of the chart, as Helm lays them. */
function merge(under: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...under }
  for (const [name, value] of Object.entries(over)) {
    const [below, isObject] = [merged[name], typeof value === 'object' && value !== null && !Array.isArray(value)]
    merged[name] = isObject && typeof below === 'object' ? merge(below as Values, value as Values) : value
  }
  return merged
}

function dataOf(values: Values, namespace: string): unknown {
  const Get = (path: string): string => (FILES.includes(path) ? read(path) : '')
  const { name, appVersion } = readManifests('Chart.yaml')[0] as unknown as { name: string; appVersion: string }
  const Values = structuredClone(merge(VALUES, values))
  return { Values, Files: { Get }, Chart: { AppVersion: appVersion }, Release: { Name: name, Namespace: namespace } }
}

/** `helm template`, without the CRDs. */
export function renderChart(values: Values = {}, namespace = 'godwit'): Manifest[] {
  const text = templates.render(`${FOLDER}objects.yaml`, dataOf(values, namespace))
  return parseAllDocuments(text).flatMap((document) => {
    const [fault] = document.errors
    if (fault !== undefined) throw fault
    return (document.toJS() as Manifest | null) ?? []
  })
}

export const renderNotes = (): string => templates.render(`${FOLDER}NOTES.txt`, dataOf({}, 'godwit'))
