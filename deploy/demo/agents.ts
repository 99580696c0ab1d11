/** The three agents of the demo: started, asked and ended as a user would, through the command line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Millis } from '../../src/base/units.ts'
import { ask } from '../../src/cli/client.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const EXAMPLES = new URL('../examples/demo/', import.meta.url).pathname

/** How long an agent may take to say goodbye to its neighbors. */
const GOODBYE: Millis = 3_000

export interface DemoAgent {
  readonly name: string
  readonly socket: string
  readonly process: ChildProcess
  /** The end of what it logged, for when something goes wrong. */
  readonly log: string[]
}

export interface Protocol {
  readonly name: string
  readonly peer: string
  readonly state: string
}

export interface Route {
  readonly prefix: string
  readonly nextHop: string
  readonly from: string | null
}

/** A scratch copy of the manifests, so that the demo may change them. */
export async function layOut(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-demo-'))
  await cp(EXAMPLES, folder, { recursive: true })
  return folder
}

export function startAgent(folder: string, name: string, manifests: string): DemoAgent {
  const socket = join(folder, `${name}.sock`)
  const words = [
    'agent',
    '--node',
    name,
    '--source',
    join(folder, manifests),
    '--control',
    socket,
    '--http',
    'none',
    '--dataplane',
    'none',
  ]
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  const keep = (chunk: Buffer) => {
    log.push(chunk.toString())
    if (log.length > 200) log.shift()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  return { name, socket, process: child, log }
}

export const protocolsOf = (agent: DemoAgent): Promise<Protocol[]> => askList(agent, 'show protocols')

export const routesOf = (agent: DemoAgent): Promise<Route[]> => askList(agent, 'show route')

/** An agent that does not answer yet has nothing to show. */
async function askList<Row>(agent: DemoAgent, command: string): Promise<Row[]> {
  try {
    return (await ask(agent.socket, command)) as Row[]
  } catch {
    return []
  }
}

export async function endAll(agents: readonly DemoAgent[], folder: string): Promise<void> {
  await Promise.all(agents.map(endAgent))
  await rm(folder, { recursive: true, force: true })
}

async function endAgent({ process: child }: DemoAgent): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), GOODBYE)
  await ended
  clearTimeout(force)
}
