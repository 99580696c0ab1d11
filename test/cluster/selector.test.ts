import { expect, test } from 'vitest'
import { formatSelector, matches, parseSelector, type Selector } from '../../src/cluster/selector.ts'

const LABELS = { rack: 'r1', 'node.kubernetes.io/role': 'route-reflector', empty: '', in: 'x', 'a-b_c.d/e': '1' }

function parsed(text: string): Selector {
  const selector = parseSelector(text)
  if ('error' in selector) throw new Error(selector.error)
  return selector
}

test.each([
  ['', true],
  ['   ', true],
  ['all()', true],
  ['global()', true],
  ['all( )', true],
  ['!all()', false],
  ['has(rack)', true],
  ['has( rack )', true],
  ['has(zone)', false],
  ['!has(zone)', true],
  ['!!has(rack)', true],
  ['has(empty)', true],
  ["rack == 'r1'", true],
  ['rack == "r1"', true],
  ["rack=='r1'", true],
  ["rack == 'r2'", false],
  ["rack == 'R1'", false],
  ["empty == ''", true],
  ["zone == ''", false],
  ["rack != 'r1'", false],
  ["rack != 'r2'", true],
  ["zone != 'r2'", true],
  ["!zone == 'a'", true],
  ["rack in {'r1', 'r2'}", true],
  ["rack in{'r1'}", true],
  ['rack in {\'r2\', "r1", }', true],
  ['rack in {}', false],
  ["zone in {'r1'}", false],
  ["rack not in {'r1'}", false],
  ["rack notin {'r2'}", true],
  ["zone not in {'r1'}", true],
  ['rack not in {}', true],
  ["in in {'x'}", true],
  ["node.kubernetes.io/role contains 'reflect'", true],
  ["node.kubernetes.io/role contains 'mirror'", false],
  ["zone contains ''", false],
  ["node.kubernetes.io/role starts with 'route'", true],
  ["node.kubernetes.io/role startswith 'reflector'", false],
  ["zone starts with ''", false],
  ["node.kubernetes.io/role ends with 'reflector'", true],
  ["node.kubernetes.io/role ends  with 'route'", false],
  ["a-b_c.d/e == '1'", true],
  ["rack == 'r1' && has(zone)", false],
  ["rack == 'r1' && has(empty)", true],
  ["has(zone) || rack == 'r1'", true],
  ['has(rack) || has(zone) && has(gone)', true],
  ['(has(rack) || has(zone)) && has(gone)', false],
  ['!(has(rack) && has(zone))', true],
  ['!(has(rack)) && has(rack)', false],
  ['has(constructor)', false],
  ["constructor == 'x'", false],
  ['has(toString) || toString in {"x"}', false],
  ['has(rack)\n&&\thas(empty)\n', true],
])('%s: %s', (text, expected) => {
  expect(matches(parsed(text), LABELS)).toBe(expected)
})

const LABEL_OR = 'a label, "has(", "all()", "global()", "!" or "("'
const COMPARISON = '"==", "!=", "in", "not in", "contains", "starts with" or "ends with"'

test.each([
  ['rack', 5, COMPARISON, 'the end'],
  ['rack = "r1"', 6, COMPARISON, '"="'],
  ['rack r1', 6, COMPARISON, '"r1"'],
  ['rack == r1', 9, 'a quoted value', '"r1"'],
  ['rack == "r1', 9, 'a quoted value', '"""'],
  ["rack == 'it's'", 13, '"&&", "||" or the end', '"s"'],
  ['rack in "r1"', 9, '"{"', '"""'],
  ['rack in {r1}', 10, 'a quoted value or "}"', '"r1"'],
  ['rack in {"r1" "r2"}', 15, '"," or "}"', '"""'],
  ['rack in {"r1"', 14, '"," or "}"', 'the end'],
  ['has(rack', 9, '")"', 'the end'],
  ['has()', 5, 'a label', '")"'],
  ['all(rack)', 5, '")"', '"rack"'],
  ['(has(rack)', 11, '")"', 'the end'],
  ['has(rack))', 10, '"&&", "||" or the end', '")"'],
  ['has(rack) & has(zone)', 11, '"&&", "||" or the end', '"&"'],
  ['has(rack) &&', 13, LABEL_OR, 'the end'],
  ['|| has(rack)', 1, LABEL_OR, '"||"'],
  ['!', 2, LABEL_OR, 'the end'],
  ['rack == "r1" and has(zone)', 14, '"&&", "||" or the end', '"and"'],
  ['ümlaut == "x"', 1, LABEL_OR, '"ü"'],
])('%s is refused at %i', (text, position, expected, found) => {
  expect(parseSelector(text)).toEqual({
    position,
    expected,
    error: `at character ${position}: expected ${expected}, found ${found}`,
  })
})

test('a selector that would be asked too much of each node is refused', () => {
  const long = Array.from({ length: 2_000 }, (_, index) => `rack == "${index}"`).join(' || ')
  const error = `at character 1: expected no more than 16384 characters, found "rack"`
  expect(parseSelector(long)).toMatchObject({ error })
})

test('parentheses without end do not exhaust the stack', () => {
  expect(parseSelector('('.repeat(10_000))).toMatchObject({ position: 102 })
  expect(parseSelector(`${'('.repeat(100)}all()${')'.repeat(100)}`)).toEqual({ kind: 'all' })
  expect(parseSelector(Array.from({ length: 200 }, () => '(has(a))').join('&&'))).toMatchObject({ kind: 'and' })
  expect(parseSelector(`${'!'.repeat(10_001)}all()`)).toEqual({ kind: 'not', of: { kind: 'all' } })
})

test.each([
  ["rack=='r1'&&has( zone )", 'rack == "r1" && has(zone)'],
  ['rack notin{"a","b",}', 'rack not in {"a", "b"}'],
  ["a endswith '\"'", "a ends with '\"'"],
  ['((has(a)) || (has(b) && has(c)))', 'has(a) || has(b) && has(c)'],
  ['(has(a) || has(b)) && !(has(c) || has(d))', '(has(a) || has(b)) && !(has(c) || has(d))'],
  ['!!!global()', '!global()'],
  ['!(!has(a))', 'has(a)'],
])('%s is written %s', (text, written) => {
  expect(formatSelector(parsed(text))).toBe(written)
})
