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
    if (parseVolumeOptions(volumes.get(volume).options).kind !== 'folder') continue;
    // One at a time: of two containers that are made at once one fills the volume, and the other waits until it is full.
    await volumes.inTurn(async () => {
      if (!volumes.isEmpty(volume)) return;
      await volumes.filling(volume, () =>
        helper.fillVolume(writtenRoot(container.record, parts), target, volumes.mountpoint(volume)),
      );
    });
  }
}
