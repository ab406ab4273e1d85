// Keeps a repository small and quick after pushes: packs loose objects now and then, when nobody waits. Called after a push has landed.
import { runCommand } from '@berth/kit/run-command.ts';
import { gitEnvironment } from './git-process.ts';
import type { Receiver } from './receiver.ts';

/** Packing a large repository takes minutes; a hung one must not run for ever. */
const tidyLimitMs = 10 * 60_000;
/** A look every so many pushes is enough, and leaves the processor to the release that just went live. */
const pushesBetween = 20;
const tidying = new Set<string>();
const pushes = new Map<string, number>();

/** Does not wait. Objects that nothing refers to stay two weeks (git's default), so a build that reads them is never cut. */
export function tidyRepository(receiver: Receiver, repository: string): void {
  const count = (pushes.get(repository) ?? 0) + 1;
  pushes.set(repository, count % pushesBetween);
  if (count < pushesBetween || tidying.has(repository)) return;
  tidying.add(repository);
  const settings = ['-c', 'gc.auto=2000', '-c', 'gc.autoPackLimit=40', '-c', 'gc.autoDetach=false'];
  runCommand(['git', ...settings, '--git-dir', repository, 'gc', '--auto', '--quiet'], {
    env: gitEnvironment(0),
    timeoutMs: tidyLimitMs,
  })
    .catch((err: unknown) => receiver.log.warn({ err, repository }, 'tidying a repository failed'))
    .finally(() => tidying.delete(repository));
}
