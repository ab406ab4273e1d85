// The scheduler's calls to the controller, typed by the contract. Interface first, so that tests put a fake controller in its place.
import { HttpClient } from '@berth/clients/http-client.ts';
import type { Action, AppState, Hint } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';

export interface ControllerCalls {
  takeLease(holder: string, epoch: number | null, ttlMs: number): Promise<{ epoch: number; ttlMs: number }>;
  listApps(): Promise<string[]>;
  readApp(appId: string): Promise<AppState>;
  apply(
    appId: string,
    plan: { epoch: number; version: number; actions: Action[] },
  ): Promise<{ version: number; routeVersion: number }>;
  /** The first hint is `all`, said once the stream is open: no gap between the list and the watch. Ends or throws when the stream breaks. */
  hints(signal: AbortSignal): AsyncIterable<Hint>;
}

/** A controller that hangs must not hold the lease loop beyond the lease's own life. */
const leaseTimeoutMs = 2_000;
const callTimeoutMs = 10_000;
const silenceMs = 7_000;

export function connectController(socketPath: string): ControllerCalls {
  const http = new HttpClient({ socketPath, name: 'the controller' });
  const appPath = (appId: string) => `/internal/scheduler/apps/${encodeURIComponent(appId)}`;
  return {
    takeLease: (holder, epoch, ttlMs) =>
      http.call('POST', '/internal/leases/scheduler', {
        body: { holder, epoch, ttlMs },
        timeoutMs: leaseTimeoutMs,
      }),
    listApps: async () => {
      const { appIds } = await http.call<{ appIds: string[] }>('GET', '/internal/scheduler/apps', {
        timeoutMs: callTimeoutMs,
      });
      return appIds;
    },
    readApp: (appId) => http.call('GET', appPath(appId), { timeoutMs: callTimeoutMs }),
    apply: (appId, body) => http.call('POST', `${appPath(appId)}/apply`, { body, timeoutMs: callTimeoutMs }),
    hints: (signal) => openHints(http, signal),
  };
}

async function* openHints(http: HttpClient, signal: AbortSignal): AsyncGenerator<Hint> {
  const response = await http.open('GET', '/internal/events', { signal, timeoutMs: callTimeoutMs });
  if (response.statusCode !== 200) {
    response.destroy();
    throw new AppError('unavailable', `the controller answered ${response.statusCode} to the hint stream`);
  }
  // keep-alives come every 2 s; a peer that is silent for longer is gone without a word
  response.setTimeout(silenceMs, () => response.destroy(new Error('hint stream is silent')));
  yield { kind: 'all' };
  for await (const hint of readNdjson(response)) yield hint as Hint;
}
