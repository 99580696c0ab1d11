import type { Millis } from '../../../base/units.ts'
import { formatRfc3339 } from '../../../show/time.ts'

/** metav1.MicroTime: the API server accepts six digits of a second, and no fewer. `epoch`: since 1970. */
export const microTime = (epoch: Millis): string => formatRfc3339(epoch).replace('Z', '000Z')
