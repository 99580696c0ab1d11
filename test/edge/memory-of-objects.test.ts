/** What objects of a large cluster take in the heap, in a process of their own. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const at = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

/** Octets that each of 20,000 of something takes, once the code is compiled. */
function octetsOfEach(imports: string, make: string): number {
  const script = `
    ${imports}
    const used = () => { gc(); gc(); return process.memoryUsage().heapUsed }
    const make = ${make}
    const fill = (all) => { for (let index = 0; index < all.length; index++) all[index] = make(index) }
    fill(new Array(20_000))
    const all = new Array(20_000).fill(undefined)
    const before = used()
    fill(all)
    console.log((used() - before) / all.length)`
  const words = ['--expose-gc', '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, words, { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }))
}

test.each([
  ['10.244.0.0/24', '`10.${index >> 8}.${index & 255}.0/24`'],
  ['fd00:244:0:1::/64', '`fd00:244:${index.toString(16)}:1::/64`'],
  ['fd00:10:1:2:3:4:5:1/128', '`fd00:10:1:2:3:4:5:${index.toString(16)}/128`'],
])('a prefix such as %s: its text is not kept in parts', (_, text) => {
  const imports = `import { parsePrefix } from ${at('base/prefix.ts')}`
  expect(octetsOfEach(imports, `(index) => parsePrefix(${text})`)).toBeLessThan(400)
})

test('the address of a Node has one holder, for which no Set is made', () => {
  const imports = `
    import { OtherNodes } from ${at('edge/kubernetes/other-nodes.ts')}
    const nodes = new OtherNodes(1_000, () => {})
    let made = 0`
  const node = `
    const name = 'node-' + made++
    nodes.take({ kind: 'upsert', ref: { kind: 'Node', namespace: '', name }, object: { spec: { podCIDRs: [name + '/24', name + '/25'] } } })`
  expect(octetsOfEach(imports, `() => {${node}}`)).toBeLessThan(600)
})
