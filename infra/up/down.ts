// `berth down`: stops the platform and every app, removes what they left on the machine and says what could not be removed.
// Works after the supervisor was killed as well. The data folder stays, unless `--data` asks for its end.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { type Platform, passedEnvironment } from './config.ts';
import { describeLeftovers, findLeftovers, removeLeftovers } from './leftovers.ts';
import { partEnvironment, parts } from './parts.ts';
import { waitForExit } from './processes.ts';
import { partPlan } from './start-part.ts';
import { stopApps } from './stop-apps.ts';
import { SupervisedPart } from './supervise-part.ts';
import { askStatus, askStop, lockPlatform } from './supervisor-server.ts';

/** An engine that cannot start within this cannot stop the apps; they are ended by their cgroup then. */
const engineLimitMs = 20_000;

export async function down(platform: Platform, options: { data: boolean; yes: boolean }): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new AppError('forbidden', 'stopping containers needs root', { hint: 'use sudo' });
  if (options.data) refuseForeignFolder(platform.dataDir);
  if (options.data && !options.yes && !(await confirmed(platform.dataDir))) return;
  const stopped = await stopSupervisor(platform);
  const lock = await takeLock(platform);
  if (stopped.length === 0) stopped.push(...(await stopAbandonedApps(platform)));
  stopped.push(...(await cleanUp(platform)));
  if (options.data) rmSync(platform.dataDir, { recursive: true, force: true });
  lock.close();
  process.stdout.write(
    stopped.length === 0 ? '       nothing was running\n' : `-----> stopped ${stopped.join(', ')}\n`,
  );
  process.stdout.write(
    options.data ? `       deleted ${platform.dataDir}\n` : `       the data stays in ${platform.dataDir}\n`,
  );
}

async function stopSupervisor(platform: Platform): Promise<string[]> {
  const status = await askStatus(platform);
  if (!status) return [];
  const stopped = (await askStop(platform, { withApps: true })) ?? [];
  await waitForExit(status.pid, 10_000);
  return stopped;
}

async function takeLock(platform: Platform): Promise<{ close(): void }> {
  // A supervisor that has answered needs a moment to end; one that hangs is said.
  for (let attempt = 0; attempt < 100; attempt++) {
    const lock = await lockPlatform(platform);
    if (lock) return lock;
    await sleep(100);
  }
  throw new AppError('conflict', `another start or stop of "${platform.dataDir}" is going on`, {
    hint: 'try again in a moment',
  });
}

/** After a killed supervisor the apps still run: an engine of our own adopts them and stops them in good order. */
async function stopAbandonedApps(platform: Platform): Promise<string[]> {
  const engine = parts.find(({ name }) => name === 'engine');
  const { processes } = await findLeftovers(platform);
  if (!engine || processes.length === 0) return [];
  mkdirSync(platform.runDir, { recursive: true, mode: 0o711 });
  const environment = { ...passedEnvironment(), ...partEnvironment(platform) };
  const supervised = new SupervisedPart(
    partPlan(engine, platform, environment),
    createLogger('down', 'error'),
  );
  try {
    const ready = await Promise.race([
      supervised.start().then(() => true),
      sleep(engineLimitMs, false, { ref: false }),
    ]);
    return ready ? (await stopApps(platform)).map((name) => `container ${name}`) : [];
  } catch (error) {
    process.stderr.write(` !     apps are ended without a grace time: ${asAppError(error).message}\n`);
    return [];
  } finally {
    await supervised.stop();
  }
}

/** Removes what is left and fails, naming it, when something stays. */
async function cleanUp(platform: Platform): Promise<string[]> {
  const before = await findLeftovers(platform);
  await removeLeftovers(platform, before);
  const after = describeLeftovers(await findLeftovers(platform));
  if (after.length > 0)
    throw new AppError('internal', `left behind: ${after.join(', ')}`, { hint: 'run `npm run down` again' });
  return before.processes.map(({ name }) => name);
}

/** A mistyped BERTH_DATA must not cost anybody a folder that Berth did not make. */
function refuseForeignFolder(dataDir: string): void {
  const isEmpty = !existsSync(dataDir) || readdirSync(dataDir).every((name) => name === 'log');
  if (isEmpty || existsSync(join(dataDir, 'keys/config.key'))) return;
  throw new AppError('invalid', `"${dataDir}" is no data folder of Berth`, {
    hint: 'set BERTH_DATA to the one that is to be deleted',
  });
}

async function confirmed(dataDir: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new AppError('bad_request', `deleting "${dataDir}" needs a yes`, { hint: 'add --yes' });
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(
    ` !     delete ${dataDir} with every app, release and config var? Type "yes": `,
  );
  terminal.close();
  return answer.trim() === 'yes';
}
