/** Network namespaces for tests on the real kernel: made with names of their own, always taken away. Root only. */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

export const isRoot = process.getuid?.() === 0 && spawnSync('ip', ['-V']).status === 0
export const hasNft = isRoot && spawnSync('nft', ['-v']).status === 0

export class Namespace {
  readonly name: string

  constructor(word: string) {
    this.name = `gwt-${word}-${randomBytes(4).toString('hex')}`
    run(['ip', 'netns', 'add', this.name])
    this.ip('link set lo up')
  }

  /** Words before a command that is to run inside. */
  get enter(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name]
  }

  /** `ip` with these words, inside. */
  ip(words: string): string {
    return run(['ip', '-n', this.name, ...words.split(' ')])
  }

  run(words: string, input = ''): string {
    return run([...this.enter, ...words.split(' ')], input)
  }

  /** A cable from an interface here to one there; without duplicate address detection, which takes a second. */
  connect(here: string, other: Namespace, there: string): void {
    run(['ip', 'link', 'add', here, 'netns', this.name, 'type', 'veth', 'peer', 'name', there, 'netns', other.name])
    for (const [space, name] of [
      [this, here],
      [other, there],
    ] as const) {
      space.run(`sysctl -qw net.ipv6.conf.${name}.accept_dad=0`)
      space.ip(`link set ${name} up`)
    }
  }

  address(name: string, ...addresses: readonly string[]): void {
    for (const address of addresses) this.ip(`addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`)
  }

  remove(): void {
    spawnSync('ip', ['netns', 'del', this.name])
  }
}

function run([program = '', ...words]: readonly string[], input = ''): string {
  return execFileSync(program, words, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
}
