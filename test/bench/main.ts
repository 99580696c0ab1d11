/** `npm run bench`: what the hot path costs in this process, on this machine, now. Compare runs only with runs beside them. */
import { decodeRate } from './wire.ts'

console.log(`UPDATEs read, 7 routes each: ${(decodeRate() / 1e6).toFixed(2)} million per second`)
await import('./rib.ts')
