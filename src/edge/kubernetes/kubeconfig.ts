/**
 * The account that a kubeconfig names, as kubectl reads it. `@kubernetes/client-node` reads the file and renews credentials,
 * in all ways that a kubeconfig knows (certificates, programs, proxies). That library is large, so this module is loaded only
 * where there is a kubeconfig.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { parse } from 'yaml'
import { errorText } from '../error-text.ts'
import type { Account } from './account.ts'
import { fields } from './trim.ts'

/** Undefined: the file that kubectl would use. Throws an error of one line if it cannot be used. */
export const kubeconfigAccount = (path: string | undefined): Account => new KubeconfigAccount(() => load(path))

function load(path: string | undefined): KubeConfig {
  const config = new KubeConfig()
  try {
    if (path !== undefined) config.loadFromFile(path)
    else config.loadFromDefault()
    followTokenFiles(config, path === undefined ? usualFiles() : [path])
  } catch (error) {
    throw new Error(`cannot read the kubeconfig ${path ?? ''}: ${errorText(error)}`)
  }
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error(`the kubeconfig ${path ?? ''} names no cluster in its current context`)
  // Plain HTTP, as to a local proxy, has no certificate to verify; the library refuses it without this setting.
  config.clusters = config.clusters.map((one) =>
    one.server.startsWith('http:') ? { ...one, skipTLSVerify: true } : one,
  )
  return config
}

const usualFiles = (): string[] =>
  (process.env.KUBECONFIG ?? join(homedir(), '.kube', 'config')).split(delimiter).filter((file) => existsSync(file))

/** `tokenFile` of a user, which the client library ignores. It takes precedence over `token`; `renew` reads it again. */
function followTokenFiles(config: KubeConfig, files: readonly string[]): void {
  const tokens = new Map<string, string>()
  for (const file of files) {
    const { users } = fields(parse(readFileSync(file, 'utf8')))
    for (const entry of Array.isArray(users) ? users : []) {
      const { tokenFile } = fields(fields(entry).user)
      const name = String(fields(entry).name)
      if (typeof tokenFile === 'string' && !tokens.has(name)) tokens.set(name, resolve(dirname(file), tokenFile))
    }
  }
  config.users = config.users.map((user) => {
    const tokenFile = tokens.get(user.name)
    return tokenFile === undefined ? user : { ...user, token: readFileSync(tokenFile, 'utf8').trim() }
  })
}

class KubeconfigAccount implements Account {
  readonly server: string
  readonly insecure: boolean
  readonly proxied: boolean
  readonly #load: () => KubeConfig
  #config: KubeConfig

  constructor(load: () => KubeConfig) {
    this.#load = load
    this.#config = load()
    const cluster = this.#config.getCurrentCluster()
    const server = (cluster?.server ?? '').replace(/\/$/, '')
    this.server = server
    this.proxied = cluster?.proxyUrl !== undefined
    this.insecure = server.startsWith('https:') && cluster?.skipTLSVerify === true
  }

  apply(options: RequestOptions): Promise<void> {
    return this.#config.applyToHTTPSOptions(options)
  }

  renew(): void {
    try {
      this.#config = this.#load()
    } catch {
      // The file may be half-written: the next request that the API refuses calls this again.
    }
  }
}
