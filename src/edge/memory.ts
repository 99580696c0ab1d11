/** How much memory this process may have. */
import { totalmem } from 'node:os'

/** Of the memory there is: the other half is for the objects of the cluster, buffers and the runtime itself. */
const SHARE = 0.5

/** Octets for routing tables, by the limit of the container (its control group), or else by the machine's memory. */
export function memoryForTables(): number {
  const all = totalmem()
  const limit = process.constrainedMemory()
  return Math.floor((limit > 0 ? Math.min(limit, all) : all) * SHARE)
}
