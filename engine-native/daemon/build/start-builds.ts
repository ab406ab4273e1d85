// What a daemon keeps for builds between them, made at its start, and the removal of what a crash left. The builder itself is not loaded.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type RemoveParts, removeContainer } from '../containers/remove-container.ts';
import type { Helper } from '../runtime/helper.ts';
import { buildStepLabel } from './build-step-label.ts';
import { CacheMounts } from './cache-mounts.ts';

export function assembleBuilds(parts: { root: string; run: string; helper: Helper }) {
  return {
    cacheMounts: new CacheMounts(parts.root, parts.helper),
    secretsDir: join(parts.run, 'build'),
  };
}

/** Steps whose build died with the daemon: nobody waits for them. */
export async function removeStrandedSteps(parts: RemoveParts, secretsDir: string): Promise<void> {
  rmSync(secretsDir, { recursive: true, force: true });
  const stranded = parts.registry
    .list()
    .filter(({ record }) => record.config.Labels[buildStepLabel] !== undefined);
  await Promise.all(
    stranded.map((container) =>
      removeContainer(container, parts, { force: true, volumes: true }).catch((err: unknown) =>
        parts.log.warn({ err, container: container.id }, 'a step of a build stays'),
      ),
    ),
  );
}
