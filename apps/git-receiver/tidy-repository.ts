// Keeps a repository small and quick after pushes: packs loose objects now and then, when nobody waits. Called after a push has landed.
import { runCommand } from '@berth/kit/run-command.ts';
import { gitEnvironment } from './git-process.ts';
import type { Receiver } from './receiver.ts';

/** Packing a large repository takes minutes; a hung one must not run for ever. */
const tidyLimitMs = 10 * 60_000;
const tidying = new Set<string>();

/** Does not wait. Objects that nothing refers to stay two weeks (git's default), so a build that reads them is never cut. */
export function tidyRepository(receiver: Receiver, repository: string): void {
  if (tidying.has(repository)) return;
  tidying.add(repository);
  const settings = ['-c', 'gc.auto=2000', '-c', 'gc.autoPackLimit=40', '-c', 'gc.autoDetach=false'];
  runCommand(['git', ...settings, '--git-dir', repository, 'gc', '--auto', '--quiet'], {
    env: gitEnvironment(0),
    timeoutMs: tidyLimitMs,
  })
    .catch((err: unknown) => receiver.log.warn({ err, repository }, 'tidying a repository failed'))
    .finally(() => tidying.delete(repository));
}
