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

/** Something of some seconds that is under way; whom the server saw is told once it came to its end, whole. */
export interface Transfer {
  readonly seen: Promise<string>
}

export const startDownload = (host: Host, address: string): Promise<Transfer> =>
  start(host, address, 8081, download(host, address))

export interface UploadShape {
  readonly lines: number
  /** Seconds from one line to the next. */
  readonly pause: number
}

/** One line and a long pause are an idle connection. */
export const startUpload = (host: Host, address: string, shape: UploadShape): Promise<Transfer> =>
  start(host, address, 8082, upload(host, address, shape))

/** Waits until it is under way: one connection more to that port than before. */
const start = async (host: Host, address: string, port: number, seen: Promise<string>): Promise<Transfer> => {
  seen.catch(() => {})
  await eventually(async () => {
    const six = address.includes(':')
    const filter = `dst ${six ? `[${address}]` : address} and dport = :${port}`
    const open = await host.must(['ss', '-Htn', 'state', 'established', filter])
    if (open.trim() === '') throw new Error(`the transfer with ${address} has not begun`)
  })
  return { seen }
}

const UPLOAD =
  'exec 3<>/dev/tcp/$0/$1; for i in $(seq "$2"); do echo line >&3; sleep "$3"; done; echo done >&3; head -n 1 <&3'

const upload = async (host: Host, address: string, { lines, pause }: UploadShape): Promise<string> => {
  const seconds = Math.ceil(lines * pause) + 15
  const argv = ['timeout', `${seconds}`, 'bash', '-c', UPLOAD, address, '8082', `${lines}`, `${pause}`]
  const text = await host.must(argv, { timeout: (seconds + 15) * 1_000 })
  const [client = '', counted] = text.trim().split(' ')
  if (counted !== `${lines}`) throw new Error(`of the upload to ${address} ${counted} of ${lines} lines got there`)
  return client
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
