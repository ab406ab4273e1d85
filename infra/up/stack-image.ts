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
  await makeStackImage(platform, [], 'then run "npm run up" again: nothing is lost');
}

/** `npm run stack:update`: both variants anew from Debian's mirror, with its security updates. Apps follow by `berth stack:rebase` or their next push. */
export async function updateStackImages(platform: Platform): Promise<void> {
  if (!existsSync(platform.engineSocket))
    throw new AppError('unavailable', 'the platform does not run', { hint: 'npm run up -- --detach' });
  for (const variant of ['run', 'build'])
    await makeStackImage(
      platform,
      ['--update', '--variant', variant],
      'the stack stays as it was; the mirror is the one in /etc/apt',
    );
  process.stdout.write('       berth stack:rebase --all puts every app onto it, without a build\n');
}

async function makeStackImage(platform: Platform, options: string[], hint: string): Promise<void> {
  const script = join(platform.partsDir, 'infra/stacks/make-stack.ts');
  if (!existsSync(script)) return;
  const argv: [string, ...string[]] = [
    process.execPath,
    script,
    '--engine',
    platform.engineSocket,
    '--cache',
    cacheDir,
    ...options,
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
      hint: `see the line above; ${hint}`,
    });
}
