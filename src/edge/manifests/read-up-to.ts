/** Reads a file that may be anything: one that has no end, or that makes its reader wait. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

const CHUNK = 64 * 1024

/**
 * The text of a file; undefined if it has more than `most` octets. Rejects for what is no file, and where a read would wait:
 * some files of the kernel do (`/proc/kmsg`), and a thread that waits would keep the process from ending.
 */
export async function readUpTo(path: string, most: number): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no file')
    const chunks: Buffer[] = []
    for (let size = 0; size <= most; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK)
      if (bytesRead === 0) return Buffer.concat(chunks, size).toString()
      chunks.push(buffer.subarray(0, bytesRead))
      size += bytesRead
    }
    return undefined
  } finally {
    await file.close()
  }
}
