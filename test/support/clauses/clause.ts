/** What an RFC demands, in our words, and what became of it. */
export interface Clause {
  /** The section. */
  readonly at: string
  readonly must: string
  readonly held?: {
    readonly file: string
    /** How the title of the test begins, behind its numbers in brackets. It names the section, or its `describe` does. */
    readonly title: string
  }
  /** Why no test holds it: it does not concern us, or we do otherwise on purpose. */
  readonly aside?: string
}

/** By the number of the RFC. */
export type Clauses = Readonly<Record<number, readonly Clause[]>>

export const held = (at: string, must: string, file: string, title: string): Clause => ({
  at,
  must,
  held: { file: `test/${file}.test.ts`, title },
})

export const aside = (at: string, must: string, why: string): Clause => ({ at, must, aside: why })
