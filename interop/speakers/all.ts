// Every speaker the cases know, in the order of the matrix.

import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { openbgpd } from './openbgpd.ts'
import { container, machine, trixie } from './place.ts'
import type { Speaker } from './speaker.ts'

export const SPEAKERS: readonly Speaker[] = [
  frr('FRR', machine),
  bird('BIRD', machine),
  gobgp('GoBGP', machine),
  openbgpd('OpenBGPD', machine),
  frr('FRR (trixie)', trixie),
  bird('BIRD (trixie)', trixie),
  gobgp('GoBGP (trixie)', trixie),
  openbgpd('OpenBGPD (trixie)', trixie),
  frr('FRR (container)', container),
]
