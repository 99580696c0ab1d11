#!/usr/bin/env node
/** Arguments on the command line → the agent, or the command line client. Each is loaded only when it is asked for. */
import { type Arguments, parseArguments } from './cli/arguments.ts'
import type { ExitCode } from './cli/client.ts'
import type { Page } from './cli/print.ts'
import { USAGE } from './cli/usage.ts'
import { VERSION } from './edge/version.ts'

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv)
  switch (parsed.kind) {
    case 'wrong':
      process.stderr.write(`${parsed.text}\n`)
      return 2
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
    case 'shell': {
      const { runShell } = await import('./cli/shell.ts')
      return runShell(parsed.socket, { input: process.stdin, out: process.stdout, err: process.stderr })
    }
    default: {
      const { print, Page } = await import('./cli/print.ts')
      const page = new Page()
      const exit = await writeAnswer(parsed, page)
      return print(page.text, { out: process.stdout, err: process.stderr }, exit)
    }
  }
}

type AnsweredHere = Exclude<Arguments, { readonly kind: 'wrong' | 'agent' | 'bfd' | 'command' | 'shell' }>

/** Commands that are answered in this process, as a whole. */
async function writeAnswer(parsed: AnsweredHere, out: Page): Promise<ExitCode> {
  switch (parsed.kind) {
    case 'help':
      out.write(USAGE)
      return 0
    case 'version':
      out.write(`godwit ${VERSION}\n`)
      return 0
    case 'doctor': {
      const { runDoctor } = await import('./edge/operate/doctor.ts')
      const { askHealth } = await import('./cli/client.ts')
      const { inFormat, isMadeOfJson } = await import('./cli/output.ts')
      const { Page } = await import('./cli/print.ts')
      const page = new Page()
      const exit = await runDoctor(page, () => askHealth(parsed.socket), isMadeOfJson(parsed.format))
      out.write(await inFormat(page.text, parsed.format))
      return exit === 0 ? 0 : 1
    }
    case 'check': {
      const { runCheck } = await import('./check.ts')
      return runCheck(parsed.options, { out, err: process.stderr })
    }
    case 'completion': {
      const { completionScript } = await import('./cli/completion.ts')
      out.write(completionScript(parsed.shell))
      return 0
    }
    case 'complete': {
      const { complete } = await import('./cli/completion.ts')
      for (const word of await complete(parsed.socket, parsed.typed)) out.write(`${word}\n`)
      return 0
    }
  }
}

process.exitCode = await main(process.argv.slice(2))
