// Keeps one berth-engine-helper running: replaces a stale one at start, restarts a dead one with backoff. Called by main.ts.
// The helper is a session of its own: its death, or the daemon's, must never take a container along.
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import { FrameConnection } from './frame-connection.ts';
import type { Message } from './frames.ts';
import { endProcess, findProcesses } from './own-processes.ts';

const restartDelay = { firstMs: 20, maxMs: 2_000 };
const returnLimitMs = 3_000; // whoever asks while the helper is being restarted need not notice; one that never comes back must be noticed
const readyLimitMs = 5_000; // a helper that never listens counts as dead and is started again

export class HelperProcess {
  readonly socketPath: string;
  readonly #argv: [string, ...string[]];
  readonly #run: string;
  readonly #log: Logger;
  #connection: FrameConnection | undefined;
  #pid: number | undefined;
  #stopping = false;
  hello: Message = {};

  constructor(options: { root: string; run: string; nativeDir: string; log: Logger }) {
    const { root, run, nativeDir, log } = options;
    this.socketPath = join(run, 'helper.sock');
    this.#run = run;
    this.#log = log;
    const shim = join(nativeDir, 'berth-shim');
    this.#argv = [join(nativeDir, 'berth-engine-helper'), '--run', run, '--root', root, '--shim', shim];
  }

  /** The living connection, also of a helper that is just being restarted; `unavailable` when it does not come back. */
  readonly connection = async (): Promise<FrameConnection> => {
    const deadline = performance.now() + returnLimitMs;
    while (!this.#stopping) {
      if (this.#connection && !this.#connection.isClosed) return this.#connection;
      if (performance.now() > deadline) break;
      await sleep(10);
    }
    throw new AppError('unavailable', 'the engine helper is being restarted', {
      hint: 'try again in a second',
    });
  };

  /** Ends a helper that an earlier daemon left behind, and starts ours. Throws when it cannot be started at all. */
  async start(): Promise<void> {
    mkdirSync(this.#run, { recursive: true, mode: 0o700 });
    for (const pid of findProcesses('berth-engine-helper', '--run', this.#run)) await endProcess(pid);
    await this.#launch();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#connection?.close();
    if (this.#pid !== undefined) await endProcess(this.#pid);
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  async #launch(): Promise<void> {
    const logFile = openSync(join(this.#run, 'helper.log'), 'a', 0o600);
    const child = startCommand(this.#argv, {
      detached: true, // a session of its own
      stdio: ['ignore', logFile, logFile],
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    closeSync(logFile);
    this.#pid = child.pid;
    const { promise: exited, resolve } = Promise.withResolvers<string>();
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(`exit ${signal ?? code}`));
    child.unref();
    const outcome = await Promise.race([this.#connect(), exited]);
    if (typeof outcome === 'string') {
      throw new AppError('unavailable', `cannot start "${this.#argv[0]}": ${outcome}`, {
        hint: `see "${join(this.#run, 'helper.log')}"; build it with make -C engine-native/runtime`,
      });
    }
    this.#connection = outcome;
    this.hello = await outcome.request('hello', {}, readyLimitMs);
    this.#watch(outcome, exited);
  }

  #watch(connection: FrameConnection, exited: Promise<string>): void {
    void Promise.race([connection.closed, exited]).then(async (reason) => {
      if (this.#stopping) return;
      this.#log.warn({ reason: reason ?? 'connection closed' }, 'engine helper ended');
      connection.close();
      if (this.#pid !== undefined) await endProcess(this.#pid);
      await this.#relaunch();
    });
  }

  async #relaunch(): Promise<void> {
    for (let attempt = 0; !this.#stopping; attempt++) {
      await sleep(backoffDelay(attempt, restartDelay));
      try {
        await this.#launch();
        this.#log.info('engine helper restarted');
        return;
      } catch (err) {
        this.#log.error({ err }, 'engine helper does not start');
      }
    }
  }

  async #connect(): Promise<FrameConnection> {
    const deadline = performance.now() + readyLimitMs;
    for (;;) {
      try {
        return await FrameConnection.open(this.socketPath, 'the engine helper', 500);
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(2);
      }
    }
  }
}
