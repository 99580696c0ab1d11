/** The counts of one neighbor and family: its routes, and "Route change stats" as `show protocols all` has them. */
import type { Member } from './adj-out.ts'
import type { FamilyRib } from './family-rib.ts'
import { newImportState } from './import-state.ts'
import { routeMemoryLimit } from './memory-limit.ts'
import type { PeerSlot } from './peers.ts'
import type { FamilyCounts } from './types.ts'

export function familyCounts(rib: FamilyRib, slot: PeerSlot): FamilyCounts {
  const state = rib.importStateOf(slot) ?? newImportState()
  return {
    received: state.total,
    accepted: state.usable,
    preferred: rib.loc.preferred[slot.index] ?? 0,
    memory: {
      octets: state.octets,
      limit: routeMemoryLimit(slot.peer, rib.family),
      refuses: state.memoryRejected !== 'no',
    },
    importUpdates: { ...state.updates },
    importWithdraws: { ...state.withdraws },
    endOfRibReceived: state.endOfRib,
    ...exportCounts(rib, slot),
    endOfRibSent: rib.adjOut.hasFinished(slot),
  }
}

function exportCounts(
  { adjOut }: FamilyRib,
  slot: PeerSlot,
): Pick<FamilyCounts, 'advertised' | 'exportUpdates' | 'exportWithdraws'> {
  const members = adjOut.membersOf(slot)
  const sum = (count: (member: Member) => number) => members.reduce((total, member) => total + count(member), 0)
  const rejected = sum(({ group, rejectedBefore }) => group.exporter.rejected - rejectedBefore)
  const filtered = sum(({ group, filteredBefore }) => group.exporter.filtered - filteredBefore)
  const announced = sum((member) => member.announced)
  const withdrawn = sum((member) => member.withdrawn)
  return {
    advertised: sum(({ advertised }) => advertised),
    exportUpdates: { received: announced + rejected + filtered, rejected, filtered, accepted: announced },
    exportWithdraws: { received: withdrawn, accepted: withdrawn },
  }
}
