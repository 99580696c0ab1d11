import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { podAccount } from '../../../src/edge/kubernetes/account.ts'
import { kubeconfigAccount } from '../../../src/edge/kubernetes/kubeconfig.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-account-'))
  writeFileSync(join(folder, 'token'), 'first\n')
  writeFileSync(join(folder, 'ca.crt'), 'a certificate')
})
afterEach(() => rmSync(folder, { recursive: true }))

const of = (host: string, port?: string) =>
  podAccount(folder, { KUBERNETES_SERVICE_HOST: host, ...(port !== undefined && { KUBERNETES_SERVICE_PORT: port }) })
const asked = async (account: ReturnType<typeof podAccount>): Promise<RequestOptions> => {
  const options: RequestOptions = { headers: { accept: 'application/json' } }
  await account?.apply(options)
  return options
}

describe('the account of a pod', () => {
  test.each([
    ['10.96.0.1', '443', 'https://10.96.0.1:443'],
    ['fd00:96::1', '6443', 'https://[fd00:96::1]:6443'],
    ['10.96.0.1', undefined, 'https://10.96.0.1:443'],
    ['127.0.0.1', '8001', 'http://127.0.0.1:8001'],
  ])('%s port %s is %s', (host, port, server) => {
    expect(of(host, port)).toMatchObject({ server, insecure: false, proxied: false })
  })

  test('there is none outside of a pod', () => {
    expect(podAccount(folder, {})).toBeUndefined()
    unlinkSync(join(folder, 'token'))
    expect(of('10.96.0.1')).toBeUndefined()
  })

  test('each request has the token and the certificate of now', async () => {
    const account = of('10.96.0.1')
    expect(await asked(account)).toEqual({
      headers: { accept: 'application/json', authorization: 'Bearer first' },
      ca: 'a certificate',
    })
    writeFileSync(join(folder, 'token'), 'second')
    writeFileSync(join(folder, 'ca.crt'), 'another')
    expect(await asked(account)).toMatchObject({ headers: { authorization: 'Bearer second' }, ca: 'another' })
  })

  test('no certificate is asked for where none is shown', async () => {
    expect(await asked(of('127.0.0.1', '8001'))).not.toHaveProperty('ca')
  })

  test('a file that is gone is named, and concerns every kind', async () => {
    const account = of('10.96.0.1')
    unlinkSync(join(folder, 'token'))
    await expect(asked(account)).rejects.toMatchObject({
      message: `cannot read ${folder}/token: No such file or directory`,
      code: 'ENOENT',
    })
  })
})

describe('the account of a kubeconfig', () => {
  const config = (user: string): string => `apiVersion: v1
kind: Config
current-context: a
clusters: [{ name: a, cluster: { server: "https://10.96.0.1:443" } }]
contexts: [{ name: a, context: { cluster: a, user: me } }]
users: [{ name: me, user: ${user} }]
`

  test.each([
    ['a token', '{ token: mine }', 'Bearer mine'],
    ['a file with a token, beside the kubeconfig', '{ tokenFile: token }', 'Bearer first'],
    ['a file, which stands above a token', '{ token: mine, tokenFile: ./token }', 'Bearer first'],
  ])('with %s', async (_, user, expected) => {
    const path = join(folder, 'config')
    writeFileSync(path, config(user))
    const { headers } = await asked(kubeconfigAccount(path))
    expect(headers).toMatchObject({ Authorization: expected })
  })
})
