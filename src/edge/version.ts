import { readFileSync } from 'node:fs'

/** Put in by the build; absent when run straight from source. */
declare const GODWIT_VERSION: string | undefined

export const VERSION: string = typeof GODWIT_VERSION === 'string' ? GODWIT_VERSION : versionOfSource()

function versionOfSource(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return (manifest as { version: string }).version
}
