/** The thread that parses long pieces of manifests (`apart.ts`): one request, one reply. */
import { getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { Question } from './apart.ts'
import { readPiece } from './piece.ts'

/** Sessions come first on a busy machine. By 0, Linux means the calling thread; three steps halve its share of a processor. */
const STEPS_BEHIND = 5
const LAST = 19

try {
  setPriority(0, Math.min(getPriority(0) + STEPS_BEHIND, LAST))
} catch {
  // It reads all the same.
}

parentPort?.on('message', ({ text, kind, resources }: Question) => {
  parentPort?.postMessage(readPiece(text, kind, resources))
})
