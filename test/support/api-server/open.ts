/** A running API server and a kubeconfig file that leads to it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobTiming } from '../../../src/edge/kubernetes/write/job.ts'
import { ApiServer } from './server.ts'

/** Pauses short enough for a test. */
export const QUICK = {
  firstPause: 20,
  longestPause: 100,
  absentPause: 40,
  absentGrace: 100,
  absentAtStart: 0,
  pageSize: 50,
}

/** The same for what is written. */
export const QUICK_JOB = {
  firstPause: 5,
  longestPause: 40,
  refusedPause: 20_000,
  silence: 500,
  pause: 0,
} satisfies JobTiming

export interface OpenApi {
  readonly api: ApiServer
  /** Path of the file. */
  readonly kubeconfig: string
  close(): Promise<void>
}

export async function openApi(): Promise<OpenApi> {
  const api = new ApiServer()
  await api.start()
  const directory = await mkdtemp(join(tmpdir(), 'godwit-api-'))
  const kubeconfig = join(directory, 'kubeconfig')
  await writeFile(kubeconfig, api.kubeconfig)
  const close = async () => {
    await api.stop()
    await rm(directory, { recursive: true })
  }
  return { api, kubeconfig, close }
}
