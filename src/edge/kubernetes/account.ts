/**
 * Where the API server is, and who the agent is there: what a request needs beside its path. In a pod that is the
 * ServiceAccount. The kubelet renews its files, so they are read for each request: those are few, because changes
 * come in watches.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { errorText } from '../error-text.ts'

export interface Account {
  readonly server: string
  /** The certificate of the server is not verified. */
  readonly insecure: boolean
  /** Requests go through a proxy, which `apply` sets. */
  readonly proxied: boolean
  /** Adds the credentials of the agent, and what the certificate of the server is verified by. */
  apply(options: RequestOptions): Promise<void>
  /** The server refused them: credentials are read again. */
  renew(): void
}

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Ports of plain HTTP, where a local proxy listens, such as `kubectl proxy`. */
const PLAIN_PORTS: readonly string[] = ['80', '8001', '8080']

/** Undefined outside of a pod. */
export function podAccount(folder = FOLDER, environment = process.env): Account | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment
  const [token, trusted] = [join(folder, 'token'), join(folder, 'ca.crt')]
  if (host === undefined || host === '' || !existsSync(token)) return undefined
  const isPlain = PLAIN_PORTS.includes(port)
  return {
    server: `${isPlain ? 'http' : 'https'}://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    insecure: false,
    proxied: false,
    apply: async (options) => {
      options.headers = { ...options.headers, authorization: `Bearer ${read(token)}` }
      if (!isPlain) options.ca = read(trusted)
    },
    renew: () => {},
  }
}

/** Its error keeps the code of the system's: callers tell by it that no request can be made at all. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw Object.assign(new Error(`cannot read ${path}: ${errorText(error)}`), { code })
  }
}
