// How one of the platform's own parts is started: Node on its main.ts, an IPC channel that tells readiness, its log file as stderr.
import { closeSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import type { Platform } from './config.ts';
import { lastLines, openLog } from './log-file.ts';
import { nodeFlags, type Part } from './parts.ts';
import type { PartPlan, Running } from './supervise-part.ts';

/** Migrations on a large database are the slowest start there is; a part that says nothing for longer hangs. */
const readyLimitMs = 60_000;
/** The channel is descriptor 3, so an inherited socket is 4. */
export const inheritedFd = 4;

export function partPlan(
  part: Part,
  platform: Platform,
  environment: Record<string, string>,
  fd?: number,
): PartPlan {
  const logPath = join(platform.logDir, `${part.name}.log`);
  return {
    name: part.name,
    start: () => Promise.resolve(startPart(part, platform, environment, logPath, fd)),
    stopSignal: 'SIGTERM',
    stopLimitMs: 12_000, // a part gives itself ten seconds to close
    lastLines: () => lastLines(logPath),
  };
}

function startPart(
  part: Part,
  platform: Platform,
  env: Record<string, string>,
  logPath: string,
  fd?: number,
): Running {
  const main = join(platform.partsDir, part.main);
  if (!existsSync(main)) throw new AppError('not_found', `the part "${part.name}" has no "${part.main}"`);
  const log = openLog(logPath);
  const child = startCommand([process.execPath, ...nodeFlags(part), main], {
    cwd: platform.runDir,
    env: fd === undefined ? env : { ...env, BERTH_HTTP_FD: String(inheritedFd) },
    stdio: ['ignore', log, log, 'ipc', ...(fd === undefined ? [] : [fd])],
    detached: true, // a session of its own: Ctrl-C in the terminal is for the supervisor
  });
  closeSync(log);
  if (child.pid === undefined) throw new AppError('internal', `the part "${part.name}" cannot be started`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const limit = setTimeout(
    () => reject(new AppError('timeout', `the part "${part.name}" is not ready after ${readyLimitMs} ms`)),
    readyLimitMs,
  );
  child.on('error', () => {}); // a failed send to a child that has just ended; its exit is what counts
  child.on('exit', () => clearTimeout(limit));
  child.on('message', (message) => {
    if (typeof message !== 'object' || message === null || !('ready' in message)) return;
    clearTimeout(limit);
    resolve();
  });
  return { pid: child.pid, child, ready: promise };
}
