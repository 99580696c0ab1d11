// All cases, in the order of the matrix.

import { cases as advertisements } from './advertisements.ts'
import { cases as bfd } from './bfd.ts'
import { cases as birdTools } from './bird-tools.ts'
import { cases as birdcl } from './birdcl.ts'
import type { Case } from './case.ts'
import { cases as changes } from './changes.ts'
import { cases as dashboard } from './dashboard.ts'
import { cases as docs } from './docs.ts'
import { cases as errors } from './errors.ts'
import { cases as errorsUpdate } from './errors-update.ts'
import { cases as exabgp } from './exabgp.ts'
import { cases as featuresNumbers } from './features-numbers.ts'
import { cases as featuresRoutes } from './features-routes.ts'
import { cases as featuresSession } from './features-session.ts'
import { cases as gateway } from './gateway.ts'
import { cases as imports } from './import.ts'
import { cases as kernelTables } from './kernel-tables.ts'
import { cases as keyChain } from './key-chain.ts'
import { cases as lab } from './lab.ts'
import { cases as nextHops } from './next-hops.ts'
import { cases as objects } from './objects.ts'
import { cases as packets } from './packets.ts'
import { cases as packetsAstray } from './packets-astray.ts'
import { cases as packetsBeside } from './packets-beside.ts'
import { cases as packetsBorder } from './packets-border.ts'
import { cases as packetsCalico } from './packets-calico.ts'
import { cases as packetsDirect } from './packets-direct.ts'
import { cases as packetsFlush } from './packets-flush.ts'
import { cases as packetsKernel } from './packets-kernel.ts'
import { cases as packetsLoops } from './packets-loops.ts'
import { cases as packetsLoss } from './packets-loss.ts'
import { cases as packetsMesh } from './packets-mesh.ts'
import { cases as packetsNat } from './packets-nat.ts'
import { cases as packetsServices } from './packets-services.ts'
import { cases as packetsSpeed } from './packets-speed.ts'
import { cases as packetsTable } from './packets-table.ts'
import { cases as packetsTakeover } from './packets-takeover.ts'
import { cases as packetsUplinks } from './packets-uplinks.ts'
import { cases as packetsWalk } from './packets-walk.ts'
import { cases as packetsWho } from './packets-who.ts'
import { cases as protection } from './protection.ts'
import { cases as readme } from './readme.ts'
import { cases as reflectorRestart } from './reflector-restart.ts'
import { cases as services } from './services.ts'
import { cases as session } from './session.ts'
import { cases as stall } from './stall.ts'
import { cases as topology } from './topology.ts'
import { cases as unnumbered } from './unnumbered.ts'
import { cases as upgrade } from './upgrade.ts'

export const CASES: readonly Case[] = [
  ...lab,
  ...session,
  ...topology,
  ...imports,
  ...services,
  ...advertisements,
  ...objects,
  ...changes,
  ...errors,
  ...errorsUpdate,
  ...featuresSession,
  ...featuresRoutes,
  ...reflectorRestart,
  ...featuresNumbers,
  ...exabgp,
  ...nextHops,
  ...kernelTables,
  ...unnumbered,
  ...gateway,
  ...bfd,
  ...birdcl,
  ...birdTools,
  ...dashboard,
  ...stall,
  ...protection,
  ...keyChain,
  ...readme,
  ...docs,
  ...packets,
  ...packetsMesh,
  ...packetsDirect,
  ...packetsBorder,
  ...packetsCalico,
  ...packetsAstray,
  ...packetsNat,
  ...packetsFlush,
  ...packetsServices,
  ...packetsLoops,
  ...packetsLoss,
  ...packetsTable,
  ...packetsTakeover,
  ...packetsUplinks,
  ...packetsWalk,
  ...packetsWho,
  ...packetsKernel,
  ...packetsBeside,
  ...packetsSpeed,
  // Each takes two minutes, so that the others come first.
  ...upgrade,
]
