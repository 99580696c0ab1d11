/** The changes that a source of objects reports; the folder of manifests and the Kubernetes API use the same type. */

/** Kinds the agent reads. */
export const KINDS = [
  'Node',
  'Service',
  'EndpointSlice',
  'Pod',
  'Secret',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
  'FelixConfiguration',
  'BlockAffinity',
  'IPAMBlock',
] as const
export type Kind = (typeof KINDS)[number]

export interface ObjectRef {
  readonly kind: Kind
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly name: string
}

export type ObjectChange =
  /**
   * Added or changed. `object` is as the API serves it, unchecked. `from` is where a person finds it: `peers.yaml#2`.
   */
  | { readonly kind: 'upsert'; readonly ref: ObjectRef; readonly object: unknown; readonly from: string | undefined }
  | { readonly kind: 'delete'; readonly ref: ObjectRef }
  /** All objects of one kind: others are deleted (first list, relist after 410, a folder that was read again). */
  | {
      readonly kind: 'replace'
      readonly of: Kind
      readonly objects: readonly {
        readonly ref: ObjectRef
        readonly object: unknown
        readonly from: string | undefined
      }[]
    }
  /**
   * A problem of the source itself: a file that does not parse, an API that does not answer. Cleared by `text:
   * undefined`.
   */
  | {
      readonly kind: 'source-problem'
      readonly at: string
      readonly text: string | undefined
      /** A warning; absent: an error. */
      readonly level?: 'warning'
      /** Kinds of objects that the unreadable place may contain. */
      readonly hides?: readonly Kind[]
    }
