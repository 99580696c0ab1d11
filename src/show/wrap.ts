/** Wraps long lines as BIRD does: birdc accepts lines of up to four thousand characters. */
const WIDTH = 480

/** Words behind a name, in as many lines as it takes; a continued line begins with two tabs, as BIRD's do. */
export function* wrapped(name: string, words: readonly string[]): Iterable<string> {
  let line = `${name} `
  for (const [at, word] of words.entries()) {
    if (at > 0 && line.length + word.length > WIDTH) {
      yield line
      line = '\t\t'
    } else if (at > 0) line += ' '
    line += word
  }
  yield line
}
