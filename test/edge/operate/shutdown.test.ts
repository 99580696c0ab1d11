/** What an agent without Kubernetes asks of its machine when it is told to end. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { whyMachineEnds } from '../../../src/edge/operate/shutdown.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  // Nothing but what a test puts there, and what its scripts need.
  vi.stubEnv('PATH', folder)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

const put = (program: string, script: string) =>
  writeFile(join(folder, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 })

test.each<[string, string, string, string | undefined]>([
  ['systemd that stops', 'systemctl', 'echo stopping; exit 1', 'the machine shuts down (systemd)'],
  ['systemd that runs', 'systemctl', 'echo running', undefined],
  ['systemd with failed units', 'systemctl', 'echo degraded; exit 1', undefined],
  ['systemd that is not the init', 'systemctl', 'echo offline; exit 1', undefined],
  ['a reboot by another init', 'runlevel', 'echo 2 6', 'the machine reboots (runlevel 6)'],
  ['a halt by another init', 'runlevel', 'echo N 0', 'the machine shuts down (runlevel 0)'],
  ['a machine that runs', 'runlevel', 'echo N 5', undefined],
  ['no record of runlevels', 'runlevel', 'echo unknown; exit 1', undefined],
  ['a program that says too much', 'runlevel', 'while :; do echo 2 6; done', undefined],
])('%s', async (_, program, script, expected) => {
  await put(program, script)
  expect(await whyMachineEnds()).toBe(expected)
})

test('nobody to ask', async () => {
  expect(await whyMachineEnds()).toBeUndefined()
})
