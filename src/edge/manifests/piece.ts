/** One piece of a file, a document or an item of a List, as plain values. */
import type { Resource } from '../resources.ts'
import type { PieceKind, PieceReading } from './fault.ts'
import { readJson } from './json-text.ts'
import { type Head, headOf, headOfItem, headOfText, isForeign } from './kinds.ts'
import { readYaml } from './yaml-text.ts'

/** Kubernetes takes objects of 1.5 MiB; YAML says the same at greater length. */
const LARGEST_PIECE = 4 * 1024 * 1024

export const isJson = (text: string): boolean => text.trimStart().startsWith('{')

/** Of what is not for us nothing is kept but its head. */
export function readPiece(text: string, kind: PieceKind, resources: readonly Resource[]): PieceReading {
  const foreign = isJson(text) ? undefined : foreignHead(text, kind, resources)
  if (foreign !== undefined) return { values: [foreign] }
  if (text.length > LARGEST_PIECE)
    return { values: [], fault: { text: `is larger than ${LARGEST_PIECE} bytes`, at: 0 } }
  const { values, fault } = readText(text, kind)
  const heads = values.map((value) => foreignOf(value, resources))
  const kept = values.map((value, index) => heads[index] ?? value)
  // What is wrong with documents that are not for us is not ours to say.
  return fault === undefined || (kept.length > 0 && heads.every((head) => head !== undefined))
    ? { values: kept }
    : { values: kept, fault }
}

function readText(text: string, kind: PieceKind): PieceReading {
  if (isJson(text)) return readJson(text) ?? readYaml(text, 'document')
  const read = readYaml(text, kind)
  if (kind === 'document' || read.fault !== undefined) return read
  const [sequence, ...more] = read.values
  return { values: more.length === 0 && Array.isArray(sequence) ? sequence : [] }
}

function foreignHead(text: string, kind: PieceKind, resources: readonly Resource[]): Head | undefined {
  const head = kind === 'item' ? headOfItem(text) : headOfText(text)
  return head !== undefined && isForeign(head, resources) ? head : undefined
}

function foreignOf(value: unknown, resources: readonly Resource[]): Head | undefined {
  const head = headOf(value)
  return head !== undefined && isForeign(head, resources) ? head : undefined
}
