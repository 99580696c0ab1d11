#!/usr/bin/env node
/** Arguments on the command line → the agent, or the command line client. Each is loaded only when it is asked for. */
import { parseArguments, USAGE } from './cli/arguments.ts'
import { mayCloseEarly } from './cli/output.ts'
import { VERSION } from './edge/version.ts'

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv)
  switch (parsed.kind) {
    case 'help':
      mayCloseEarly(process.stdout).write(USAGE)
      return 0
    case 'version':
      process.stdout.write(`godwit ${VERSION}\n`)
      return 0
    case 'wrong':
      process.stderr.write(`${parsed.text}\n`)
      return 2
    case 'doctor': {
      const { runDoctor } = await import('./edge/operate/doctor.ts')
      const { askProblems } = await import('./cli/client.ts')
      return runDoctor(mayCloseEarly(process.stdout), () => askProblems(parsed.socket), parsed.json)
    }
    case 'agent': {
      const { runAgent } = await import('./agent.ts')
      return runAgent(parsed.options)
    }
    case 'bfd': {
      const { runBfd } = await import('./bfd-process.ts')
      return runBfd(parsed.options)
    }
    case 'command': {
      const { runCommand } = await import('./cli/client.ts')
      const { socket, ...options } = parsed.options
      return runCommand(socket, parsed.words, { ...options, out: process.stdout, err: process.stderr })
    }
    case 'check': {
      const { runCheck } = await import('./check.ts')
      return runCheck(parsed.options, { out: mayCloseEarly(process.stdout), err: process.stderr })
    }
    case 'completion': {
      const { completionScript } = await import('./cli/completion.ts')
      mayCloseEarly(process.stdout).write(completionScript(parsed.shell))
      return 0
    }
    case 'complete': {
      const { complete } = await import('./cli/completion.ts')
      for (const word of await complete(parsed.socket, parsed.typed)) process.stdout.write(`${word}\n`)
      return 0
    }
    case 'shell': {
      const { runShell } = await import('./cli/shell.ts')
      return runShell(parsed.socket, { input: process.stdin, out: process.stdout, err: process.stderr })
    }
  }
}

process.exitCode = await main(process.argv.slice(2))
