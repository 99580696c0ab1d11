/** Prints the whole answer of a command at once. A closed pipe is no failure, a full disk ends in one line on stderr. */
import type { Writable } from 'node:stream'
import { complainOf, type ExitCode } from './client.ts'
import { Output } from './output.ts'

interface Streams {
  readonly out: Writable
  readonly err: Writable
}

/** Returns `exit`, or 1 if the text could not be written. */
export async function print(text: string, { out, err }: Streams, exit: ExitCode = 0): Promise<ExitCode> {
  const output = Output.of(out)
  try {
    await output.write(text)
    await output.flush()
    return exit
  } catch (error) {
    return complainOf(err, error) === 0 ? exit : 1
  }
}

/** Collects what a command writes, so that `print` can write it. */
export class Page {
  text = ''

  write(text: string): void {
    this.text += text
  }
}
