/** How the image starts the agent. */
import { readFileSync } from 'node:fs'

const DOCKERFILE = new URL('../../deploy/Dockerfile', import.meta.url)

/** Words to Node itself. */
export function flagsAsShipped(): string[] {
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(DOCKERFILE, 'utf8'))?.[1]
  if (entry === undefined) throw new Error('deploy/Dockerfile has no ENTRYPOINT')
  return (JSON.parse(entry) as string[]).filter((word) => word.startsWith('--'))
}
