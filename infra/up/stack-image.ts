// The stack image that builds start from: made out of Debian's packages once a machine, loaded into each platform's engine.
// Called by `up` when the engine serves. The tar is kept apart from any platform's data, so that a second platform only loads it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import { callerEnvironment, type Platform } from './config.ts';

const cacheDir = '/var/cache/berth/stacks';

/** Prints one line with its time. Parts that are replaced by others (BERTH_PARTS) bring no recipe: then there is nothing to do. */
export async function ensureStackImage(platform: Platform): Promise<void> {
  const script = join(platform.partsDir, 'infra/stacks/make-stack.ts');
  if (!existsSync(script)) return;
  const argv: [string, ...string[]] = [
    process.execPath,
    script,
    '--engine',
    platform.engineSocket,
    '--cache',
    cacheDir,
  ];
  const child = startCommand(argv, {
    cwd: '/',
    env: callerEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('exit', resolve);
  if ((await promise) !== 0)
    throw new AppError('unavailable', 'the stack image could not be made', {
      hint: 'see the line above; then run "npm run up" again: nothing is lost',
    });
}
