/** BFD in a process that outlives the agent (`godwit bfd`): sessions stay while agents come and go. */
import { connect } from 'node:net'
import type { BfdInput, BfdNews } from '../../bfd/types.ts'
import { errorText } from '../error-text.ts'
import type { StartBfd } from './bfd.ts'
import { type BfdLine, speakLines } from './bfd-wire.ts'

type FromAgent = Extract<BfdLine, { readonly kind: 'sessions' | 'ask' }>

const isForProcess = (input: BfdInput): input is FromAgent => input.kind === 'sessions' || input.kind === 'ask'

/** Connects to the process that listens at `path`. */
export const connectBfd =
  (path: string): StartBfd =>
  (hear, ended) => {
    const socket = connect(path)
    const lines = speakLines<FromAgent, readonly BfdNews[]>(socket, hear)
    let reason = 'its process has closed the connection'
    let isOver = false
    socket.on('error', (error) => {
      reason = errorText(error)
    })
    socket.on('close', () => {
      if (!isOver) ended(`${path}: ${reason}`)
    })
    return {
      post(input) {
        if (isForProcess(input)) lines.send(input)
      },
      async stop() {
        isOver = true
        socket.end()
      },
    }
  }
