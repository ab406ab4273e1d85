// Decides whether a starting instance shows that its release does not work, and says why in one line with a hint. Pure.
import type { SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Limits } from './limits.ts';
import { instanceName } from './output-lines.ts';

export interface StartFailure {
  error: string;
  hint: string;
  tail: string | null;
}

const hints: Record<string, string> = {
  image_missing: 'push again to build the image anew',
  command_not_found: 'check the command in the Procfile',
  boot_timeout: 'listen on 0.0.0.0 and the port in the PORT variable soon after the start',
  wrong_port: 'listen on 0.0.0.0 and the port in the PORT variable',
  memory: 'give the process more memory: berth ps:scale TYPE=N:MEMORY',
};

const silent = 'it printed nothing: run its command by hand to see why, fix it and push again';

/** The first instance of the next generation that cannot work; undefined while all may still become ready. */
export function findStartFailure(
  instances: readonly SchedulerInstance[],
  limits: Limits,
): StartFailure | undefined {
  const failed = instances.find(
    (instance) =>
      instance.state !== 'ready' && (instance.fatal !== null || instance.restarts >= limits.maxRestarts),
  );
  if (!failed) return undefined;
  const what = failed.message ?? exitText(failed.exitCode);
  const often = failed.fatal === null && failed.restarts > 1 ? ` (${failed.restarts} times in a row)` : '';
  return {
    error: `${instanceName(failed)} ${what}${often}`,
    hint:
      hints[failed.fatal ?? ''] ??
      (failed.tail ? 'see what it printed above, fix it and push again' : silent),
    tail: failed.tail,
  };
}

function exitText(exitCode: number | null): string {
  return exitCode === null ? 'does not start' : `exited with code ${exitCode}`;
}
