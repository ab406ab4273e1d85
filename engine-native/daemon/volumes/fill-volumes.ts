// Copy-up: a new, empty volume gets what the image holds at its mount point, with owners and modes, as Docker's users expect.
// Called once, after a container was made; what has files already is left alone.
import { type RootParts, writtenRoot } from '../archive/container-root.ts';
import type { Container } from '../containers/container.ts';
import { mountsOf } from '../containers/plan-mounts.ts';
import { parseVolumeOptions } from './volume-options.ts';

export async function fillVolumes(container: Container, parts: RootParts): Promise<void> {
  const { volumes, helper } = parts;
  for (const { volume, target, noCopy, subpath } of mountsOf(container.record)) {
    if (volume === '' || noCopy || subpath !== '') continue;
    const isFolder = parseVolumeOptions(volumes.get(volume).options).kind === 'folder';
    if (!isFolder || !volumes.isEmpty(volume)) continue;
    // One at a time: two containers that are made at once must not both fill one volume.
    await volumes.inTurn(() =>
      helper.fillVolume(writtenRoot(container.record, parts), target, volumes.mountpoint(volume)),
    );
  }
}
