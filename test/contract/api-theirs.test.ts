/**
 * A real API server, 1.30 or newer, where KUBECONFIG leads to one:
 *
 *   KUBECONFIG=~/.kube/config npx vitest run --config test/vitest.config.ts --project edges test/contract/api-theirs.test.ts
 *
 * The user there makes a namespace, CRDs if there are none, a ServiceAccount with the rights of deploy/, and takes all of it
 * away again; every name begins with `godwit-contract-` or `contract-`.
 */
import { describe, test } from 'vitest'
import { describeApi } from './api.ts'
import { theirServer } from './api-rig.ts'

if (process.env.KUBECONFIG === undefined) {
  describe('an API server: the one KUBECONFIG leads to', () => {
    test.skip('not seen: no KUBECONFIG', () => {})
  })
} else {
  describeApi('the one KUBECONFIG leads to', theirServer)
}
