/** `godwit completion bash|zsh|fish`: prints a script for the shell, which calls `godwit complete` at each TAB. */
import { lookUp } from '../base/look-up.ts'
import { completionsFor } from '../show/parse.ts'
import { AGENT_OPTIONS, BFD_OPTIONS, CNI_MODES, DATAPLANES } from './agent-arguments.ts'
import { CHECK_OPTIONS } from './check-arguments.ts'
import { ask } from './client.ts'
import { FORMATS, LOG_LEVELS, SHELLS, type ShellName } from './option-values.ts'

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
  [[ -n $found ]] && compadd -- $found || _files
}
compdef _godwit godwit
`,
  fish: `# fish completion for godwit:  godwit completion fish | source
function _godwit
  set -l found (godwit complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
  test (count $found) -gt 0; and printf '%s\\n' $found; or __fish_complete_path (commandline -ct)
end
complete -c godwit -f -a '(_godwit)'
`,
}

export const completionScript = (shell: ShellName): string => SCRIPTS[shell]

/** Commands that are not questions to an agent, with the options of those that have their own. */
const OWN_COMMANDS: Readonly<Record<string, readonly string[] | undefined>> = {
  agent: optionNames(AGENT_OPTIONS),
  bfd: optionNames(BFD_OPTIONS),
  check: optionNames(CHECK_OPTIONS),
  doctor: undefined,
  completion: undefined,
}
const OPTIONS = ['--json', '--output', '--watch', '--socket', '--no-pager', '--help', '--version']

/** Values of options. If there are none, the shell offers files. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '-o': FORMATS,
  '--output': FORMATS,
  '-s': [],
  '--socket': [],
  '--source': ['kubernetes'],
  '--api-group': ['godwit.dev', 'projectcalico.org', 'crd.projectcalico.org'],
  '--http': ['none'],
  '--dataplane': DATAPLANES,
  '--table': ['main'],
  '--adopt': ['bird', 'zebra'],
  '--cni': CNI_MODES,
  '--bfd': ['thread'],
  '--log-level': LOG_LEVELS,
}

const optionsWithValue = new Set([
  ...Object.keys(VALUES),
  ...[AGENT_OPTIONS, BFD_OPTIONS, CHECK_OPTIONS].flatMap((options) =>
    Object.entries<{ readonly type: string }>(options).flatMap(([name, { type }]) =>
      type === 'string' ? [`--${name}`] : [],
    ),
  ),
])

function optionNames(options: object): readonly string[] {
  return Object.keys(options).map((name) => `--${name}`)
}

/** The possible words in place of the last of `typed`, which may be empty. */
export async function complete(socket: string, typed: readonly string[]): Promise<readonly string[]> {
  const part = typed.at(-1) ?? ''
  const { words, last, agentSocket = socket } = readTyped(typed.slice(0, -1))
  const [command = ''] = words
  if (last !== undefined) return beginning(part, lookUp(VALUES, last) ?? [])
  if (part.startsWith('-')) return beginning(part, lookUp(OWN_COMMANDS, command) ?? OPTIONS)
  if (command === 'completion') return beginning(part, words.length === 1 ? SHELLS : [])
  if (command === 'check') return beginning(part, words.length === 1 ? ['kubernetes'] : [])
  const asked = command === 'help' ? words.slice(1) : words
  const found = completionsFor([...asked, part].join(' '))
  const own = words.length === 0 ? Object.keys(OWN_COMMANDS) : []
  const names = found.names ? await neighborNames(agentSocket) : []
  // `json` is our own word before a command; in a command line it is an option.
  return beginning(part, [...found.words.filter((word) => word !== 'json'), ...own, ...names])
}

/** The words without options; the option that waits for its value, and the socket that was named. */
function readTyped(typed: readonly string[]) {
  const words: string[] = []
  let last: string | undefined
  let agentSocket: string | undefined
  for (const word of typed) {
    if (last !== undefined) {
      if (last === '-s' || last === '--socket') agentSocket = word
      last = undefined
    } else if (!word.startsWith('-')) words.push(word)
    else if (optionsWithValue.has(word)) last = word
  }
  return { words, last, agentSocket }
}

const beginning = (part: string, words: readonly string[]): readonly string[] => [
  ...new Set(words.filter((word) => word.startsWith(part))),
]

/** Empty if no agent answers: completion reports no errors. */
async function neighborNames(socket: string): Promise<readonly string[]> {
  try {
    const protocols = (await ask(socket, 'show protocols')) as readonly { readonly name: string }[]
    return protocols.map(({ name }) => name)
  } catch {
    return []
  }
}
