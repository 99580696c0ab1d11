// Questions that hosts and pods put to each other: a connection each, and what the other side saw of it.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Host } from './lab.ts'
import { eventually } from './wait.ts'

const TRAFFIC = fileURLToPath(new URL('traffic.ts', import.meta.url))

/** Starts the answering side and waits until it listens. */
export const answer = async (host: Host): Promise<void> => {
  const { log } = host.start('traffic', [process.execPath, TRAFFIC])
  await eventually(async () => {
    if (!(await readFile(log, 'utf8')).includes('ready')) throw new Error(`${host.name} does not answer yet`)
  })
}

const TCP = 'exec 3<>/dev/tcp/$0/$1 && cat <&3'
const UDP = 'exec 3<>/dev/udp/$0/$1 && echo >&3 && head -n 1 <&3'

export interface Answer {
  /** Whom the other side saw asking. */
  readonly client: string
  /** Which address answered, as the other side knows itself. */
  readonly server: string
}

const shell = (host: Host, script: string, address: string, port: number, seconds: number): Promise<string> => {
  const argv = ['timeout', `${seconds}`, 'bash', '-c', script, address, `${port}`]
  // `timeout` comes first: it ends the whole group.
  return host.must(argv, { timeout: (seconds + 15) * 1_000 })
}

/** One TCP connection. */
export const ask = async (host: Host, address: string, port = 8080): Promise<Answer> => {
  const text = await shell(host, TCP, address, port, 3)
  const [client = '', server = ''] = text.trim().split(' ')
  return { client, server }
}

/** One datagram there and one back. */
export const askUdp = async (host: Host, address: string, port = 8080): Promise<string> =>
  (await shell(host, UDP, address, port, 3)).trim()

/** Many connections, one after the other, in one process; those that fail are left out. */
export const askMany = async (host: Host, address: string, port: number, count: number): Promise<readonly Answer[]> => {
  const script = `for i in $(seq ${count}); do timeout 2 bash -c '${TCP}' "$0" "$1" || true; done`
  const text = await shell(host, script, address, port, 60)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [client = '', server = ''] = line.split(' ')
      return { client, server }
    })
}

/** Begins a download of some seconds and waits until it is under way; `seen` is told once it came to its end. */
export const startDownload = async (host: Host, address: string): Promise<{ readonly seen: Promise<string> }> => {
  const seen = download(host, address)
  seen.catch(() => {})
  await eventually(async () => {
    const open = await host.must(['ss', '-Htn', 'state', 'established', 'dport = :8081'])
    if (open.trim() === '') throw new Error(`the download from ${address} has not begun`)
  })
  return { seen }
}

/** Whom the server saw, once the download came to its end. */
const download = async (host: Host, address: string): Promise<string> => {
  const text = await shell(host, TCP, address, 8081, 30)
  if (!text.endsWith('done\n')) throw new Error(`the download from ${address} broke off: ${text.slice(-40)}`)
  return text.slice(0, text.indexOf(' '))
}

/** What a DNS server answers, asked over UDP. */
export const resolve = async (host: Host, server: string, name: string): Promise<string> =>
  (await host.must([process.execPath, TRAFFIC, 'dns', server, name])).trim()
