/** `godwit completion bash|zsh|fish`: prints a script for the shell, which calls `godwit complete` at each TAB. */
import { completionsFor } from '../show/parse.ts'
import { FORMATS, SHELLS, type ShellName } from './arguments.ts'
import { ask } from './client.ts'

const SCRIPTS: Readonly<Record<ShellName, string>> = {
  bash: `# bash completion for godwit:  source <(godwit completion bash)
_godwit() {
  local IFS=$'\\n'
  COMPREPLY=($(godwit complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _godwit godwit
`,
  zsh: `#compdef godwit
# zsh completion for godwit:  source <(godwit completion zsh)
_godwit() {
  local -a found
  found=("\${(@f)$(godwit complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- $found
}
compdef _godwit godwit
`,
  fish: `# fish completion for godwit:  godwit completion fish | source
complete -c godwit -f -a '(godwit complete -- (commandline -opc)[2..] (commandline -ct))'
`,
}

export const completionScript = (shell: ShellName): string => SCRIPTS[shell]

/** Commands that are not questions to an agent. */
const OWN_COMMANDS = ['agent', 'bfd', 'check', 'doctor', 'completion']
const OPTIONS = ['--json', '--output', '--watch', '--socket', '--no-pager', '--help', '--version']

/** Words that may stand where the last of \`typed\` stands, which may be empty. */
export async function complete(socket: string, typed: readonly string[]): Promise<readonly string[]> {
  const part = typed.at(-1) ?? ''
  const before = typed.slice(0, -1)
  if (part.startsWith('-')) return beginning(part, OPTIONS)
  if (['-o', '--output'].includes(before.at(-1) ?? '')) return beginning(part, FORMATS)
  const words = before.filter((word) => !word.startsWith('-'))
  if (words[0] === 'completion') return beginning(part, words.length === 1 ? SHELLS : [])
  const found = completionsFor([...words, part].join(' '))
  const own = words.length === 0 ? OWN_COMMANDS : []
  const names = found.names ? await neighborNames(socket) : []
  return beginning(part, [...found.words, ...own, ...names])
}

const beginning = (part: string, words: readonly string[]): readonly string[] => [
  ...new Set(words.filter((word) => word.startsWith(part) && word !== 'json')),
]

/** None where no agent answers: completion never complains. */
async function neighborNames(socket: string): Promise<readonly string[]> {
  try {
    const protocols = (await ask(socket, 'show protocols')) as readonly { readonly name: string }[]
    return protocols.map(({ name }) => name)
  } catch {
    return []
  }
}
