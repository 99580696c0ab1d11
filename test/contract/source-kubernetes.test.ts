/** The Kubernetes API passes the rows of every source. */
import { openKubernetes } from '../../src/edge/kubernetes/source.ts'
import { openApi, QUICK } from '../support/api-server/open.ts'
import { describeSource } from './source.ts'

describeSource('the Kubernetes API', async () => {
  const { api, kubeconfig, close } = await openApi()
  return {
    apply: async (manifest) => api.apply(manifest),
    remove: async ({ kind, metadata }) => api.delete(kind, metadata.name, metadata.namespace),
    open: (known) => openKubernetes({ kubeconfig, apiGroup: 'godwit.dev', feed: known.feed, timing: QUICK }),
    close,
  }
})
