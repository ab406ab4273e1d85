// The agent's line to the controller: register, follow the desired set, send reports. Reconnects for ever; a newer session ends this one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpClient } from '@berth/clients/http-client.ts';
import type { DesiredUpdate, ObservedReport, RegisterHost } from '@berth/contract/instance.ts';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';

export interface ControllerLinkOptions {
  http: HttpClient;
  host: Omit<RegisterHost, 'session'>;
  session: string;
  log: Logger;
  signal: AbortSignal;
  onUpdate: (update: DesiredUpdate) => void;
  /** Another agent of this host has registered: this one must end. */
  onReplaced: () => void;
}

const reconnect = { firstMs: 20, maxMs: 2_000 };
/** Keep-alives come every 2 s: a stream that is silent for longer is dead without a word. */
const silenceMs = 7_000;
/** A heartbeat that hangs must not hold the next one. */
const reportTimeoutMs = 5_000;

export class ControllerLink {
  readonly #options: ControllerLinkOptions;
  #hostId: string | undefined;

  constructor(options: ControllerLinkOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { log, signal } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        this.#hostId ??= await this.#register();
        for await (const update of this.#follow(this.#hostId)) {
          attempt = 0;
          this.#options.onUpdate(update);
        }
      } catch (err) {
        if (signal.aborted) return;
        this.#judge(err);
        log.debug({ err }, 'line to the controller broke');
      }
      if (!signal.aborted)
        await sleep(backoffDelay(attempt, reconnect), undefined, { signal }).catch(() => {});
    }
  }

  async send(report: Omit<ObservedReport, 'session'>): Promise<void> {
    const { http, session } = this.#options;
    if (this.#hostId === undefined) throw new AppError('unavailable', 'this host is not registered yet');
    try {
      await http.call('POST', `/internal/hosts/${this.#hostId}/observed`, {
        body: { session, ...report },
        timeoutMs: reportTimeoutMs,
      });
    } catch (error) {
      this.#judge(error);
      throw error;
    }
  }

  async #register(): Promise<string> {
    const { http, host, session, log } = this.#options;
    const body: RegisterHost = { ...host, session };
    const { hostId } = await http.call<{ hostId: string }>('POST', '/internal/hosts/register', { body });
    log.info({ host: host.name, hostId }, 'registered');
    return hostId;
  }

  async *#follow(hostId: string): AsyncGenerator<DesiredUpdate> {
    const { http, session, signal } = this.#options;
    const path = `/internal/hosts/${hostId}/desired?session=${encodeURIComponent(session)}`;
    const response = await http.open('GET', path, { signal });
    try {
      if (response.statusCode === 404) throw new AppError('not_found', `host "${hostId}" is not known`);
      if (response.statusCode === 409) throw new AppError('stale_epoch', 'a newer session has registered');
      if (response.statusCode !== 200)
        throw new AppError('unavailable', `the controller answered ${response.statusCode}`);
      response.setTimeout(silenceMs, () => response.destroy(new Error('desired stream is silent')));
      for await (const update of readNdjson(response)) yield update as DesiredUpdate;
    } finally {
      response.destroy();
    }
  }

  #judge(error: unknown): void {
    if (!(error instanceof AppError)) return;
    if (error.code === 'stale_epoch') this.#options.onReplaced();
    if (error.code === 'not_found') this.#hostId = undefined; // the row is gone: register anew
  }
}
