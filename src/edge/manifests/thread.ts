/** The thread that parses long pieces of manifests (`apart.ts`): one request, one reply. */
import { parentPort } from 'node:worker_threads'
import type { Question } from './apart.ts'
import { readPiece } from './piece.ts'

parentPort?.on('message', ({ text, kind, resources }: Question) => {
  parentPort?.postMessage(readPiece(text, kind, resources))
})
