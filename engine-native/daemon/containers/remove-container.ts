// Takes a container away: its name at once, its folders in the background. Called by the API, by AutoRemove and by prune.
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { Helper } from '../runtime/helper.ts';
import { dropAnonymousVolumes } from '../volumes/claim-volumes.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import type { Container } from './container.ts';
import type { ContainerRegistry } from './container-registry.ts';
import { publishContainer } from './describe-event.ts';
import { mountsOf } from './plan-mounts.ts';
import { killContainerNow, type StopParts } from './stop-container.ts';
import type { UsernsRanges } from './userns-ranges.ts';

export interface RemoveParts extends StopParts {
  helper: Helper;
  registry: ContainerRegistry;
  userns: UsernsRanges;
  volumes: VolumeStore;
  log: Logger;
}

export async function removeContainer(
  container: Container,
  parts: RemoveParts,
  options: { force: boolean; volumes?: boolean },
): Promise<void> {
  const isActive = container.isRunning || container.status === 'restarting';
  if (isActive && !options.force)
    throw new AppError(
      'conflict',
      `cannot remove container "/${container.record.name}": container is ${container.status}: stop the container before removing or force remove`,
    );
  if (isActive) await killContainerNow(container, parts);
  await container.exclusive(async () => {
    if (container.status === 'removing') return;
    if (container.isRunning)
      throw new AppError('conflict', `container "${container.record.name}" was started meanwhile`);
    dispose(container, parts);
    if (options.volumes === true) dropAnonymousVolumes(mountsOf(container.record), parts.volumes);
  });
}

function dispose(container: Container, { registry, userns, helper, files, events, log }: RemoveParts): void {
  container.status = 'removing';
  registry.delete(container);
  if (container.record.usernsBase !== null) userns.release(container.record.usernsBase);
  const grave = files.bury(container.id);
  files.clearRun(container.id);
  container.rejectPendingAttaches(`container "${container.record.name}" was removed`);
  publishContainer(events, container, 'destroy');
  container.settle('next-exit');
  container.settle('not-running');
  container.settle('removed');
  helper
    .remove(grave)
    .catch((err: unknown) => log.warn({ err, container: container.id }, 'folder stays until the next start'));
}
