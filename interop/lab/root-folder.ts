// A Debian trixie root folder with newer speakers than the machine's own packages: made once with debootstrap, kept in a
// cache outside the repository, entered with unshare and chroot. In: the machine's apt sources. Out: a folder, or why not.

import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { has, run } from './run.ts'

const SUITE = 'trixie'
const PACKAGES = ['frr', 'bird3', 'gobgpd', 'openbgpd', 'iproute2', 'nftables']

export type RootFolder =
  | { readonly kind: 'root'; readonly path: string }
  | { readonly kind: 'none'; readonly reason: string }

const cacheDirectory = (): string => process.env.GODWIT_INTEROP_CACHE ?? join(homedir(), '.cache', 'godwit-interop')

const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The first Debian mirror of the machine's own apt sources: one-line or deb822 form, security and third parties left out. */
export const debianMirror = async (): Promise<string | undefined> => {
  const folder = '/etc/apt/sources.list.d'
  const names = await readdir(folder).catch(() => [])
  const files = ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))]
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const uris = [
      ...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+.*\bmain\b/gm),
      ...text.matchAll(/^URIs:\s*(\S+)/gm),
    ].map((match) => match[1] ?? '')
    const uri = uris.find((candidate) => /\/debian\/?$/.test(candidate))
    if (uri !== undefined) return uri
  }
  return undefined
}

export const copyMachineSettings = async (root: string): Promise<void> => {
  for (const path of [
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/apt/apt.conf',
    '/etc/apt/apt.conf.d',
    '/etc/apt/trusted.gpg.d',
  ]) {
    if (await exists(path)) await cp(path, root + path, { recursive: true, force: true, dereference: true })
  }
  // Packages start services when installed; nothing may run inside this folder but what a case starts.
  await writeFile(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
}

const installIn = async (root: string, packages: readonly string[]): Promise<string | undefined> => {
  const environment = { DEBIAN_FRONTEND: 'noninteractive', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  const inside = (argv: readonly string[]) => run(['chroot', root, ...argv], { env: environment, timeout: 600_000 })
  const updated = await inside(['apt-get', 'update'])
  if (updated.code !== 0) return `apt-get update: ${lastLine(updated.stderr)}`
  const installed = await inside(['apt-get', 'install', '-y', '--no-install-recommends', ...packages])
  if (installed.code !== 0) return `apt-get install: ${lastLine(installed.stderr)}`
  await inside(['apt-get', 'clean'])
  return undefined
}

/** A root folder from an earlier list of packages gets what has come since; what cannot be had is missed by its cases. */
const complete = async (root: string): Promise<void> => {
  const missing: string[] = []
  for (const name of PACKAGES) {
    const known = await run(['chroot', root, 'dpkg-query', '-s', name])
    if (!known.stdout.includes('Status: install ok installed')) missing.push(name)
  }
  if (missing.length > 0 && process.getuid?.() === 0) await installIn(root, missing)
}

const make = async (root: string, mirror: string): Promise<string | undefined> => {
  const first = await run(['debootstrap', '--variant=minbase', SUITE, root, mirror], { timeout: 600_000 })
  if (first.code !== 0) return `debootstrap: ${lastLine(first.stdout + first.stderr)}`
  await copyMachineSettings(root)
  return installIn(root, PACKAGES)
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

/** Finds the root folder in the cache or makes it. Half-made ones never carry the final name. */
export const trixieRoot = async (): Promise<RootFolder> => {
  const root = join(cacheDirectory(), SUITE)
  if (await exists(root)) {
    await complete(root)
    return { kind: 'root', path: root }
  }
  if (process.env.GODWIT_INTEROP_ROOT === 'no') return { kind: 'none', reason: 'GODWIT_INTEROP_ROOT=no' }
  if (process.getuid?.() !== 0) return { kind: 'none', reason: 'making a root folder needs root' }
  if (!(await has('debootstrap'))) return { kind: 'none', reason: 'debootstrap is not installed' }
  const mirror = await debianMirror()
  if (mirror === undefined) return { kind: 'none', reason: 'no Debian mirror among the apt sources' }
  await mkdir(cacheDirectory(), { recursive: true })
  const building = `${root}.${process.pid}`
  const fault = await make(building, mirror)
  if (fault === undefined) {
    await rename(building, root)
    return { kind: 'root', path: root }
  }
  await rm(building, { recursive: true, force: true })
  return { kind: 'none', reason: fault }
}

/** A folder with a program of the root folder in it, to be put before this machine's path. */
export const programOf = async (root: string, name: string, folder: string): Promise<string> => {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), `#!/bin/sh\nexec chroot ${root} ${name} "$@"\n`, { mode: 0o755 })
  return folder
}

if (import.meta.main) console.log(JSON.stringify(await trixieRoot()))
