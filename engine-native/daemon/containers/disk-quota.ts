// Watches the writable layers of containers with StorageOpt.size and kills those that outgrew it.
// Overlayfs has no quotas of its own on most file systems: between two looks a container can write more than it may.

import { join } from 'node:path';
import type { Logger } from '@berth/kit/logging.ts';
import type { Helper } from '../runtime/helper.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import type { ContainerRegistry } from './container-registry.ts';
import { diskQuotaBytes } from './parse-create.ts';
import { killContainerNow, type StopParts } from './stop-container.ts';

export interface QuotaParts extends StopParts {
  helper: Helper;
  registry: ContainerRegistry;
  files: ContainerFiles;
  log: Logger;
}

const lookMs = 1_500; // often enough that a runaway writes a few GB at most, seldom enough to cost nothing

/** Returns how to stop watching. */
export function watchDiskQuotas(parts: QuotaParts): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = async () => {
    for (const container of parts.registry.list()) await enforce(container, parts);
    timer = setTimeout(() => void look(), lookMs);
  };
  timer = setTimeout(() => void look(), lookMs);
  return () => clearTimeout(timer);
}

async function enforce(container: Container, parts: QuotaParts): Promise<void> {
  const quota = diskQuotaBytes(container.record.hostConfig.StorageOpt);
  if (quota === 0 || !container.isRunning) return;
  try {
    const { bytes } = await parts.helper.usage(join(parts.files.stateDir(container.id), 'upper'));
    if (bytes <= quota || !container.isRunning) return;
    container.killReason = 'disk quota exceeded';
    parts.log.warn({ container: container.id, bytes, quota }, 'disk quota exceeded');
    await killContainerNow(container, parts);
  } catch (err) {
    parts.log.warn({ err, container: container.id }, 'disk use cannot be measured');
  }
}
