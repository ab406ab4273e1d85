// Keeps one berth-dns running: adopts the one that an earlier daemon left, replaces it when the program has changed, restarts a dead one.
// Called by dns.ts. The daemon's own end, or its death, must never end it while containers run.
import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import { endProcess, findProcesses, isAlive } from '../runtime/own-processes.ts';

const restartDelay = { firstMs: 20, maxMs: 2_000 };
const healthyRunMs = 10_000; // one that lived this long did not fail at its start: the next restart is a first one again
const lookMs = 1_000; // an adopted one is nobody's child: its death must be looked for, or names stay away

export class DnsProcess {
  readonly #dir: string;
  readonly #binary: string;
  readonly #log: Logger;
  #pid: number | undefined;
  #isStopping = false;

  constructor(options: { dir: string; nativeDir: string; log: Logger }) {
    this.#dir = options.dir;
    this.#binary = join(options.nativeDir, 'berth-dns');
    this.#log = options.log;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  /** Goes on until `stop` or `release`. */
  async keepRunning(): Promise<void> {
    const [first, ...others] = this.#find();
    for (const pid of others) await endProcess(pid);
    if (first !== undefined && this.#isCurrent(first)) await this.#watchAdopted(first);
    else if (first !== undefined) await endProcess(first);
    let said = '';
    for (let attempt = 0; !this.#isStopping; attempt++) {
      const startedAt = performance.now();
      const reason = await this.#run();
      if (this.#isStopping) return;
      if (performance.now() - startedAt > healthyRunMs) attempt = 0;
      if (reason !== said || attempt === 0)
        this.#log.warn({ reason, log: join(this.#dir, 'log') }, 'berth-dns ended and is started again');
      said = reason;
      await sleep(backoffDelay(attempt, restartDelay), undefined, { ref: false });
    }
  }

  /** Lets it live on without us. */
  release(): void {
    this.#isStopping = true;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const pid of this.#find()) await endProcess(pid);
  }

  #find(): number[] {
    return findProcesses('berth-dns', '--dir', this.#dir);
  }

  /** After an upgrade the file is another one; a name server has no state that its end would lose. */
  #isCurrent(pid: number): boolean {
    try {
      const running = statSync(`/proc/${pid}/exe`);
      const installed = statSync(this.#binary);
      return running.ino === installed.ino && running.dev === installed.dev;
    } catch {
      return false;
    }
  }

  async #watchAdopted(pid: number): Promise<void> {
    this.#pid = pid;
    while (isAlive(pid) && !this.#isStopping) await sleep(lookMs, undefined, { ref: false });
    this.#pid = undefined;
  }

  /** Runs it to its end and says how it ended. */
  async #run(): Promise<string> {
    const logFile = openSync(join(this.#dir, 'log'), 'a', 0o600);
    const child = startCommand([this.#binary, '--dir', this.#dir], {
      detached: true, // a session of its own
      stdio: ['ignore', logFile, logFile],
      cwd: '/',
      env: {},
    });
    closeSync(logFile);
    child.unref();
    this.#pid = child.pid;
    const { promise, resolve } = Promise.withResolvers<string>();
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(`exit ${signal ?? code}`));
    const reason = await promise;
    this.#pid = undefined;
    return reason;
  }
}
