// The commands of the pages for users, as these pages have them in their `sh` blocks.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url))

/** Relative to deploy/. */
const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(join(DEPLOY, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]

export interface PageCommand {
  readonly page: string
  /** One line for a shell; what a page continues on the next line is joined. */
  readonly line: string
}

/** Why the commands of these programs are not run by a test. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  kubectl: 'the lab has no cluster; test/deploy/kubectl.test.ts runs them against the API server of the tests',
  helm: 'the lab has no cluster; test/deploy renders the chart and compares it',
  kubeadm: 'makes a cluster',
  docker: 'needs an engine and a registry; test/deploy/root builds the image',
  cat: 'writes into /etc of this machine',
  sysctl: 'reads /etc of this machine',
  rm: 'removes a folder of this machine',
}

/** On the page that installs, our commands run in a pod. */
const IN_POD = 'kubectl -n godwit exec daemonset/godwit -- '

export const pageCommands = (): readonly PageCommand[] =>
  PAGES.flatMap((page) => {
    const text = readFileSync(join(DEPLOY, page), 'utf8')
    return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
      block
        .replaceAll('\\\n', ' ')
        // The lines of a file that `cat` writes.
        .replaceAll(/(<<'(\w+)')\n[\s\S]*?\n\2\n/g, '$1\n')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => ({ page, line: line.replace(IN_POD, '') })),
    )
  })

export const programOf = ({ line }: PageCommand): string => line.split(' ')[0] ?? ''
