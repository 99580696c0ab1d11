/** Wraps long lines as BIRD does: birdc accepts lines of up to four thousand characters. */
const WIDTH = 480

/** A name followed by words, wrapped; a continued line begins with two tabs, as in BIRD. */
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
