// Keeps one child alive: starts it, waits until it says it serves, restarts it with a growing delay, stops it within a limit.
// Used for every part, for PostgreSQL and for Redis (each brings its own way to start and to tell readiness).
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { asAppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { isAlive, waitForExit } from './processes.ts';

export type PartState = 'starting' | 'ready' | 'restarting' | 'crash-loop' | 'stopped';

export interface PartStatus {
  name: string;
  state: PartState;
  pid: number | null;
  restarts: number;
  /** When the present state began, milliseconds since 1970. */
  since: number;
  lastExit: string | null;
  lastLines: string[];
}

/** A process that runs: a child of ours, or one adopted from a supervisor that was killed. */
export interface Running {
  pid: number;
  child?: ChildProcess;
  /** Resolves when it serves, rejects when it cannot. */
  ready: Promise<void>;
}

export interface PartPlan {
  name: string;
  start: () => Promise<Running>;
  stopSignal: NodeJS.Signals;
  stopLimitMs: number;
  lastLines: () => string[];
}

/** Deaths within this time of the start count as one crash loop: a part that lived longer starts again at once. */
const healthyAfterMs = 30_000;
const crashLoopAfter = 3;
const restartDelay = { firstMs: 100, maxMs: 10_000, factor: 3 };

export class SupervisedPart {
  readonly #plan: PartPlan;
  readonly #log: Logger;
  readonly #firstReady = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  #state: PartState = 'stopped';
  #since = Date.now();
  #running: Running | undefined;
  #restarts = 0;
  #quickDeaths = 0;
  #lastExit: string | null = null;
  #loop: Promise<void> | undefined;

  constructor(plan: PartPlan, log: Logger) {
    this.#plan = plan;
    this.#log = log.child({ process: plan.name });
  }

  get name(): string {
    return this.#plan.name;
  }

  /** Starts keeping it alive; resolves when it is ready for the first time, never if it never is. */
  start(): Promise<void> {
    this.#loop ??= this.#keepAlive();
    return this.#firstReady.promise;
  }

  status(): PartStatus {
    const isWell = this.#state === 'ready' || this.#state === 'stopped';
    return {
      name: this.#plan.name,
      state: this.#state,
      pid: this.#running?.pid ?? null,
      restarts: this.#restarts,
      since: this.#since,
      lastExit: this.#lastExit,
      lastLines: isWell ? [] : this.#plan.lastLines(),
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#running) await this.#end(this.#running);
    await this.#loop;
    this.#enter('stopped');
  }

  async #end(running: Running): Promise<void> {
    signalQuietly(running.pid, this.#plan.stopSignal);
    // A part that ignores its signal must not hold `down` for ever.
    if (await waitForExit(running.pid, this.#plan.stopLimitMs)) return;
    this.#log.warn('did not stop in time: killed');
    await endNow(running);
  }

  async #keepAlive(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const startedAt = Date.now();
      this.#enter('starting');
      await this.#liveOnce();
      if (this.#stopping.signal.aborted) return;
      this.#quickDeaths = Date.now() - startedAt < healthyAfterMs ? this.#quickDeaths + 1 : 0;
      this.#restarts++;
      this.#enter(this.#quickDeaths >= crashLoopAfter ? 'crash-loop' : 'restarting');
      this.#log.warn({ exit: this.#lastExit, restarts: this.#restarts }, 'part ended');
      const delay = this.#quickDeaths === 0 ? 0 : backoffDelay(this.#quickDeaths - 1, restartDelay);
      await sleep(delay, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
  }

  /** One life of the process, from its start to its end; never throws. */
  async #liveOnce(): Promise<void> {
    try {
      const running = await this.#plan.start();
      this.#running = running;
      if (this.#stopping.signal.aborted) await this.#end(running); // told to stop while it was being started
      const ended = exitOf(running);
      await Promise.race([running.ready, ended]);
      if (isAlive(running.pid) && !this.#stopping.signal.aborted) {
        this.#enter('ready');
        this.#firstReady.resolve();
        this.#log.info({ pid: running.pid }, 'part ready');
      }
      this.#lastExit = await ended;
    } catch (error) {
      this.#lastExit = asAppError(error).message;
      if (this.#running) await endNow(this.#running);
    }
    this.#running = undefined;
  }

  #enter(state: PartState): void {
    this.#state = state;
    this.#since = Date.now();
  }
}

/** How the process ended: by its exit event when it is our child, by looking each half second when it was adopted. */
async function exitOf(running: Running): Promise<string> {
  const { child, pid } = running;
  if (child) {
    if (child.exitCode !== null || child.signalCode !== null)
      return describeExit(child.exitCode, child.signalCode);
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once('exit', (code, signal) => resolve(describeExit(code, signal)));
    return promise;
  }
  while (isAlive(pid)) await sleep(500);
  return 'adopted process ended';
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exit code ${code ?? 0}`;
}

async function endNow(running: Running): Promise<void> {
  signalQuietly(running.pid, 'SIGKILL');
  await waitForExit(running.pid, 5000);
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended by itself meanwhile
  }
}
