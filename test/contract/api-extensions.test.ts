/**
 * Kubernetes' own code for custom resources, where GODWIT_EXTENSIONS leads to its apiextensions server:
 *
 *   GODWIT_EXTENSIONS=https://127.0.0.1:16443 npx vitest run --config test/vitest.config.ts --project edges test/contract/api-extensions.test.ts
 *
 * `apiextensions/main.go` says how it is built and started. Rights and built-in kinds are those of the server in this process.
 */
import { describe, test } from 'vitest'
import { describeApi } from './api.ts'
import { ourServer } from './api-rig.ts'

const { GODWIT_EXTENSIONS: extensions } = process.env

if (extensions === undefined) {
  describe('an API server: ours, with the custom resources of Kubernetes', () => {
    test.skip('not seen: no GODWIT_EXTENSIONS', () => {})
  })
} else {
  describeApi('ours, with the custom resources of Kubernetes', () => ourServer(new URL(extensions)))
}
