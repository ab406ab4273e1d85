// Follows the controller's route stream: subscribe, apply the full table, then each change; acknowledge what is in force.
// Runs for the life of the router. Must never stop serving: whatever breaks, the last table stays and the stream is opened again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpClient } from '@berth/clients/http-client.ts';
import type { RouteAck, RouteUpdate } from '@berth/contract/route.ts';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';
import { isRoute } from './snapshot.ts';
import type { RouteTable } from './table.ts';

/** Quick at first, because a restarting controller is back in a second; never slower than 2 s. */
const reconnect = { firstMs: 50, maxMs: 2_000 };
/** Ends of several requests of a leaving instance are reported together. */
const drainReportMs = 20;
/** An acknowledgement is small; a controller that does not take it in this time is asked again. */
const ackTimeoutMs = 5_000;

export interface SyncOptions {
  client: HttpClient;
  routerId: string;
  table: RouteTable;
  log: Logger;
  signal: AbortSignal;
  silenceMs: number;
  /** After each applied update. */
  applied: () => void;
}

export class RouteSync {
  isConnected = false;
  readonly #options: SyncOptions;
  #ackIsDue = false;
  #acking: Promise<void> | undefined;
  #drainTimer: NodeJS.Timeout | undefined;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const { log, signal, silenceMs } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startedAt = performance.now();
      try {
        await this.#follow();
      } catch (err) {
        if (!signal.aborted)
          log.warn({ err, attempt }, 'the route stream broke; serving from the last table');
      }
      this.isConnected = false;
      if (performance.now() - startedAt > silenceMs) attempt = 0;
      await sleep(backoffDelay(attempt, reconnect), undefined, { signal }).catch(() => {});
    }
    clearTimeout(this.#drainTimer);
    await this.#acking;
  }

  /** A leaving instance has no request left: tells the controller soon. */
  drained(): void {
    this.#drainTimer ??= setTimeout(() => {
      this.#drainTimer = undefined;
      this.#acknowledge();
    }, drainReportMs);
  }

  async #follow(): Promise<void> {
    const { client, routerId, table, signal, silenceMs } = this.#options;
    const silence = new AbortController();
    const giveUp = () => silence.abort(new AppError('timeout', 'the controller fell silent'));
    let watchdog = setTimeout(giveUp, silenceMs);
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(giveUp, silenceMs);
    };
    const path = `/internal/routes/stream?router=${encodeURIComponent(routerId)}&version=${table.version}`;
    const either = AbortSignal.any([signal, silence.signal]);
    try {
      const response = await client.open('GET', path, { timeoutMs: silenceMs, signal: either });
      if (response.statusCode !== 200) {
        response.destroy();
        throw new AppError(
          'unavailable',
          `the controller answered ${response.statusCode} to the route stream`,
        );
      }
      let isFirst = true;
      for await (const line of readNdjson(listening(response, heard))) {
        this.#apply(line, isFirst);
        isFirst = false;
      }
      throw new AppError('unavailable', 'the controller ended the route stream');
    } finally {
      clearTimeout(watchdog);
    }
  }

  #apply(line: unknown, isFirst: boolean): void {
    if (!isUpdate(line)) throw new AppError('internal', 'the controller sent what is not a route update');
    if (isFirst && !line.full)
      throw new AppError('internal', 'the route stream did not begin with a full table');
    const { table, applied, log } = this.#options;
    table.apply(line);
    if (isFirst) log.info({ version: line.version, hosts: table.hostCount }, 'route table in force');
    this.isConnected = true;
    applied();
    this.#acknowledge();
  }

  /** One acknowledgement at a time; while one is on its way, the next tells the newest state. */
  #acknowledge(): void {
    this.#ackIsDue = true;
    this.#acking ??= this.#sendAcks().finally(() => {
      this.#acking = undefined;
    });
  }

  async #sendAcks(): Promise<void> {
    const { client, routerId, table, log, signal } = this.#options;
    for (let attempt = 0; this.#ackIsDue && !signal.aborted; attempt++) {
      this.#ackIsDue = false;
      const body: RouteAck = { router: routerId, version: table.version, draining: table.draining() };
      try {
        await client.call('POST', '/internal/routes/ack', { body, timeoutMs: ackTimeoutMs, signal });
        attempt = -1;
      } catch (err) {
        // Without a stream the next one's full table is acknowledged anyway.
        if (!this.isConnected) return;
        log.warn({ err, version: body.version }, 'the route acknowledgement failed');
        this.#ackIsDue = true;
        await sleep(backoffDelay(attempt, reconnect), undefined, { signal }).catch(() => {});
      }
    }
  }
}

/** Passes the stream on and tells of every chunk, keep-alive lines too. */
async function* listening(stream: AsyncIterable<Uint8Array>, heard: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    heard();
    yield chunk;
  }
}

function isUpdate(value: unknown): value is RouteUpdate {
  if (typeof value !== 'object' || value === null || !('version' in value)) return false;
  if (typeof value.version !== 'number') return false;
  if ('full' in value && value.full === true)
    return 'routes' in value && Array.isArray(value.routes) && value.routes.every(isRoute);
  return (
    'set' in value &&
    Array.isArray(value.set) &&
    value.set.every(isRoute) &&
    'remove' in value &&
    Array.isArray(value.remove)
  );
}
