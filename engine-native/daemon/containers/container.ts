// One container while the daemon lives: its record, what it is doing now, and who waits for it. Changed only by the files of this folder.
import type { Socket } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { Endpoint, PublishedPort } from '../networks/endpoint.ts';
import type { AttachStreams, Shim } from '../runtime/shim.ts';
import type { ContainerRecord, Health } from './container-config.ts';

/**
 * created → running ⇄ paused → exited → running …; restarting stands between exited and running under a restart policy;
 * removing is the end. start-container.ts sets running, finish-container.ts exited and restarting, remove-container.ts removing.
 */
export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  exitCode: number;
  error: string;
}

interface PendingAttach {
  streams: AttachStreams;
  resolve: (socket: Socket) => void;
  reject: (error: AppError) => void;
}

export class Container {
  record: ContainerRecord;
  status: ContainerStatus = 'created';
  /** Pid 1 as the host sees it; 0 when not running. */
  pid = 0;
  shim: Shim | undefined;
  /** Its places on its networks while it runs, and the host's ports that lead to it. */
  endpoints: Endpoint[] = [];
  ports: PublishedPort[] = [];
  tty = { rows: 0, cols: 0 };
  restartTimer: NodeJS.Timeout | undefined;
  /** Why the engine itself killed it ("disk quota exceeded"); shown as State.Error. */
  killReason = '';
  /** The same, of the run that ended last: told to whoever waits. A start that failed is told to whoever started it. */
  endReason = '';
  /** While it runs and after; undefined without a health check. */
  health: Health | undefined;
  readonly execIds = new Set<string>();
  #pendingAttaches: PendingAttach[] = [];
  #lock: Promise<unknown> = Promise.resolve();
  readonly #waiters = new Map<WaitCondition, Set<(result: WaitResult) => void>>();

  constructor(record: ContainerRecord) {
    this.record = record;
  }

  get id(): string {
    return this.record.id;
  }

  get isRunning(): boolean {
    return this.status === 'running' || this.status === 'paused';
  }

  /** The living shim; `conflict` when the container does not run. */
  runningShim(): Shim {
    if (!this.shim || !this.isRunning) throw new AppError('conflict', `container ${this.id} is not running`);
    return this.shim;
  }

  /** Start, remove and commit of one container never overlap. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#lock.then(work, work);
    this.#lock = next.catch(() => {});
    return next;
  }

  /** After a start or removal that is under way. */
  settled(): Promise<void> {
    return this.exclusive(() => Promise.resolve());
  }

  /** Resolves when the condition is met; an aborted wait is forgotten and never resolves. */
  wait(condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const isDone = condition === 'not-running' && !this.isRunning && this.status !== 'restarting';
    if (isDone) return Promise.resolve(this.result());
    const { promise, resolve } = Promise.withResolvers<WaitResult>();
    const waiters = this.#waiters.get(condition) ?? new Set();
    waiters.add(resolve);
    this.#waiters.set(condition, waiters);
    signal?.addEventListener('abort', () => waiters.delete(resolve), { once: true });
    return promise;
  }

  result(): WaitResult {
    return { exitCode: this.record.life.exitCode, error: this.endReason };
  }

  settle(condition: WaitCondition): void {
    const waiters = this.#waiters.get(condition);
    this.#waiters.delete(condition);
    for (const resolve of waiters ?? []) resolve(this.result());
  }

  get hasPendingAttach(): boolean {
    return this.#pendingAttaches.length > 0;
  }

  /** The output stream of a running container now, of one that is still to start as soon as it runs. */
  attach(streams: AttachStreams): Promise<Socket> {
    if (this.shim && this.isRunning) return this.shim.attach(streams);
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    this.#pendingAttaches.push({ streams, resolve, reject });
    return promise;
  }

  connectPendingAttaches(shim: Shim): void {
    const pending = this.#pendingAttaches;
    this.#pendingAttaches = [];
    for (const { streams, resolve, reject } of pending)
      shim
        .attach(streams)
        .then(resolve, (cause: unknown) =>
          reject(new AppError('unavailable', 'the container ended before it could be attached', { cause })),
        );
  }

  rejectPendingAttaches(reason: string): void {
    const pending = this.#pendingAttaches;
    this.#pendingAttaches = [];
    for (const { reject } of pending) reject(new AppError('conflict', reason));
  }
}
