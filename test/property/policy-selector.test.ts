import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatSelector, matches, parseSelector, type Selector } from '../../src/cluster/selector.ts'

const label = fc.constantFrom('a', 'b', 'in', 'not', 'has', 'all', 'starts', 'node.kubernetes.io/x-y_z')
const value = fc.constantFrom('', '1', '2', 'in', "it's", '"', ' && ')
const labels = fc.dictionary(label, value)

const { selector } = fc.letrec<{ selector: Selector }>((tie) => ({
  selector: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Selector>({ kind: 'all' }, { kind: 'global' }),
    fc.record({ kind: fc.constant('has' as const), label }),
    fc.record({
      kind: fc.constant('compare' as const),
      label,
      operator: fc.constantFrom(
        '==' as const,
        '!=' as const,
        'contains' as const,
        'starts with' as const,
        'ends with' as const,
      ),
      value,
    }),
    fc.record({
      kind: fc.constant('in' as const),
      label,
      operator: fc.constantFrom('in' as const, 'not in' as const),
      values: fc.array(value, { maxLength: 3 }),
    }),
    // The parser makes no negation of a negation.
    fc.record({ kind: fc.constant('not' as const), of: tie('selector').filter(({ kind }) => kind !== 'not') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('selector'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}))

test('what is written is read back the same', () => {
  fc.assert(
    fc.property(selector, (one) => {
      expect(parseSelector(formatSelector(one))).toEqual(one)
    }),
    { numRuns: 2000 },
  )
})

test('spaces between words do not matter', () => {
  fc.assert(
    fc.property(selector, labels, (one, given) => {
      const spaced = formatSelector(one).replace(
        /([(){},!]|&&|\|\|)(?=(?:[^"']|"[^"]*"|'[^']*')*$)/g,
        (sign) => `${sign} `,
      )
      const read = parseSelector(spaced.replace(/! =/g, '!='))
      expect('error' in read ? read.error : matches(read, given)).toBe(matches(one, given))
    }),
    { numRuns: 2000 },
  )
})

const word = fc.constantFrom(
  'has(',
  'all()',
  ')',
  '(',
  '!',
  '&&',
  '||',
  'a',
  'in',
  'not in',
  '==',
  '!=',
  '{',
  '}',
  ',',
  '"x"',
  "'",
  ' ',
  'contains',
)
const garbage = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(word, { maxLength: 20 }).map((words) => words.join('')),
)

test('garbage is read or refused at a place inside it, never thrown', () => {
  fc.assert(
    fc.property(garbage, labels, (text, given) => {
      const read = parseSelector(text)
      if ('error' in read) {
        expect(read.position).toBeGreaterThanOrEqual(1)
        expect(read.position).toBeLessThanOrEqual(text.length + 1)
      } else expect(matches(read, given)).toBeTypeOf('boolean')
    }),
    { numRuns: 5000 },
  )
})
