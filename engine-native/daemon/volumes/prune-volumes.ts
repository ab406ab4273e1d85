// Removes volumes that no container names. Called by POST /volumes/prune. Without `all` only anonymous ones go, as in Docker.
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import { matchesLabels, parseFilters } from '../filters.ts';
import { anonymousLabel } from './volume.ts';
import type { VolumeStore } from './volume-store.ts';

export async function pruneVolumes(
  volumes: VolumeStore,
  events: Events,
  rawFilters: string | null,
): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
  const filters = parseFilters(rawFilters, ['label', 'label!', 'all']);
  const all = (filters['all'] ?? []).some((value) => ['1', 'true'].includes(value));
  const removed: string[] = [];
  let bytes = 0;
  for (const { name, labels } of volumes.list()) {
    const isChosen =
      (all || Object.hasOwn(labels, anonymousLabel)) &&
      matchesLabels(filters['label'], labels) &&
      !(filters['label!'] ?? []).some((wanted) => matchesLabels([wanted], labels));
    if (!isChosen || volumes.usersOf(name).length > 0) continue;
    const size = await volumes.usage(name);
    try {
      volumes.remove(name);
    } catch (error) {
      if (error instanceof AppError && ['conflict', 'not_found'].includes(error.code)) continue; // taken or removed while it was measured
      throw error;
    }
    removed.push(name);
    bytes += size;
  }
  events.publish('volume', 'prune', '', { reclaimed: String(bytes) });
  return { VolumesDeleted: removed, SpaceReclaimed: bytes };
}
