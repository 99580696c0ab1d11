/**
 * The house as drawn in src/ARCHITECTURE.md: who may import whom, and that the rooms inside are pure.
 * The compiler (src/tsconfig.json) refuses Node's own modules there; this holds the directions.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const SRC = new URL('../src/', import.meta.url).pathname

/** What a door to the outside may know of the rooms inside. */
const INNER = ['base', 'bfd', 'bgp/session', 'cluster', 'dataplane', 'ndp', 'show', 'status', 'engine']

const EDGE = ['edge', 'edge/kernel', 'edge/kubernetes', 'edge/manifests', 'edge/net', 'edge/operate', 'edge/replay']

/** Room → rooms it may import besides itself. The doors of `edge/` know each other only where it says so. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  bfd: ['base'],
  'bgp/wire': ['base'],
  'bgp/route': ['base', 'bgp/wire'],
  'bgp/policy': ['base', 'bgp/wire', 'bgp/route'],
  'bgp/rib': ['base', 'bgp/wire', 'bgp/route', 'bgp/policy'],
  'bgp/session': ['base', 'bgp/wire'],
  cluster: ['base', 'bgp/wire', 'bgp/policy'],
  dataplane: ['base', 'cluster'],
  ndp: ['base'],
  show: ['base', 'bfd', 'bgp/wire', 'bgp/route', 'bgp/policy', 'bgp/rib', 'bgp/session', 'cluster', 'dataplane'],
  status: ['base', 'cluster', 'show'],
  engine: [
    'base',
    'bfd',
    'bgp/wire',
    'bgp/route',
    'bgp/policy',
    'bgp/rib',
    'bgp/session',
    'cluster',
    'dataplane',
    'ndp',
    'show',
    'status',
  ],
  preview: ['base', 'bgp/wire', 'bgp/policy', 'bgp/session', 'cluster', 'engine'],
  edge: INNER,
  'edge/kernel': [...INNER, 'edge'],
  'edge/kubernetes': [...INNER, 'edge'],
  'edge/manifests': [...INNER, 'edge'],
  'edge/net': [...INNER, 'edge'],
  'edge/operate': [...INNER, 'edge', 'edge/kernel'],
  'edge/replay': [...INNER, 'bgp/wire', 'edge'],
  cli: ['base', 'show'],
  'agent-parts': ['dataplane', 'engine', 'cli', ...EDGE],
  agent: ['agent-parts', 'base', 'cluster', 'engine', 'cli', ...EDGE],
  check: ['base', 'cluster', 'engine', 'preview', 'cli', ...EDGE],
  'bfd-process': ['base', 'bfd', 'engine', 'cli', ...EDGE],
  main: ['agent', 'bfd-process', 'check', 'cli', ...EDGE],
  build: [],
}

/** Rooms with the outside world in them; everywhere else no package is imported and nothing is asynchronous. */
const OUTSIDE = new Set([...EDGE, 'cli', 'agent-parts', 'agent', 'bfd-process', 'check', 'main', 'build'])

/** A statement's `from '…'` or `import '…'`, and an `import('…')` anywhere. */
const IMPORTS = /^(?:import|export|\}).*?(?:from|import) '([^']+)'|\bimport\('([^']+)'\)/gm

interface SourceFile {
  readonly path: string
  readonly room: string
  readonly text: string
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8')
    const imports = [...text.matchAll(IMPORTS)].map((match) => (match[1] ?? match[2]) as string)
    return { path, room: roomOf(path), text, imports }
  })

function roomOf(path: string): string {
  const parts = path.split('/')
  if (parts.length === 1) return path.replace('.ts', '')
  const hasRooms = parts[0] === 'bgp' || (parts[0] === 'edge' && parts.length > 2)
  return hasRooms ? `${parts[0]}/${parts[1]}` : (parts[0] as string)
}

test('there is a house', () => {
  expect(files.length).toBeGreaterThan(20)
  expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(300)
})

describe.each(files.map((file) => [file.path, file] as const))('%s', (path, file) => {
  test('imports only rooms to its left', () => {
    const allowed = MAY_IMPORT[file.room]
    expect(allowed, `room ${file.room} is not on the map`).toBeDefined()
    const rooms = file.imports
      .filter((name) => name.startsWith('.'))
      .map((name) => roomOf(relative(SRC, join(SRC, dirname(path), name))))
    expect(rooms.filter((room) => room !== file.room && !allowed?.includes(room))).toEqual([])
  })

  if (OUTSIDE.has(file.room)) return
  test('knows no package and waits for nothing', () => {
    expect(file.imports.filter((name) => !name.startsWith('.'))).toEqual([])
    expect(file.text.match(/\b(?:async |await |Math\.random)/g)).toBeNull()
  })
})

test('no file stands in a circle of imports, of types neither', () => {
  const paths = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter((name) => name.startsWith('.')).map((name) => relative(SRC, join(SRC, dirname(path), name))),
    ]),
  )
  // Files that import nothing still there are taken away until none is left, or only circles are.
  for (let left = -1; left !== paths.size; ) {
    left = paths.size
    for (const [path, imports] of paths) if (!imports.some((name) => paths.has(name))) paths.delete(path)
  }
  expect([...paths.keys()]).toEqual([])
})

test('each file that keeps tests to the project long is run there', () => {
  const TEST = new URL('.', import.meta.url).pathname
  const files = readdirSync(TEST, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  const withLong = files.filter((file) => /from '[./]+support\/long\.ts'/.test(readFileSync(join(TEST, file), 'utf8')))
  expect(withLong.length).toBeGreaterThan(10)
  expect(withLong.filter((file) => !files.includes(file.replace('.test.ts', '.long.test.ts')))).toEqual([])
})
