// The supervisor's socket in the run folder: `GET /status`, `POST /stop`. `status`, `down` and a second `up` ask it.
// The lock on the data folder is an abstract socket beside it: the kernel frees it with the process, whatever killed it.
import { chmodSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { createServer, type Server as NetServer } from 'node:net';
import { HttpClient } from '@berth/clients/http-client.ts';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { Platform } from './config.ts';
import type { PartStatus } from './supervise-part.ts';

export interface PlatformStatus {
  state: 'starting' | 'ready' | 'stopping';
  pid: number;
  appsUrl: string;
  apiUrl: string;
  dataDir: string;
  parts: PartStatus[];
}

/** What `stop` ends: the platform with every app, or the platform alone. */
export interface StopRequest {
  withApps: boolean;
}

/** Takes the lock of the data folder, or undefined when another process holds it. */
export function lockPlatform(platform: Platform): Promise<NetServer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<NetServer | undefined>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', (error) => (systemCode(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
  server.listen(`\0berth-platform-${platform.id}`, () => resolve(server));
  server.unref();
  return promise;
}

/** Serves the socket; must be called under the lock, because it replaces what a killed supervisor left. */
export function serveSupervisor(
  platform: Platform,
  status: () => PlatformStatus,
  stop: (request: StopRequest) => Promise<string[]>,
): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createHttpServer((request, response) => {
    if (request.method === 'GET' && request.url === '/status') return answer(response, 200, status());
    if (request.method === 'POST' && request.url?.startsWith('/stop')) {
      const withApps = request.url.endsWith('apps=1');
      stop({ withApps }).then(
        (stopped) => answer(response, 200, { stopped }),
        (error: unknown) => answer(response, 500, { message: String(error) }),
      );
      return;
    }
    answer(response, 404, { message: 'no such path' });
  });
  rmSync(platform.supervisorSocket, { force: true });
  server.once('error', reject);
  server.listen(platform.supervisorSocket, () => {
    chmodSync(platform.supervisorSocket, 0o600);
    resolve(server);
  });
  return promise;
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

/** Asks the supervisor for its status; undefined when none runs. */
export async function askStatus(platform: Platform): Promise<PlatformStatus | undefined> {
  return ask<PlatformStatus>(platform, 'GET', '/status', 5000);
}

/** Tells the supervisor to stop; what it stopped, or undefined when none runs. */
export async function askStop(platform: Platform, { withApps }: StopRequest): Promise<string[] | undefined> {
  // Every part may take its whole limit, one stage after another, and so may every app.
  const answered = await ask<{ stopped: string[] }>(
    platform,
    'POST',
    `/stop?apps=${withApps ? 1 : 0}`,
    180_000,
  );
  return answered?.stopped;
}

async function ask<T>(
  platform: Platform,
  method: string,
  path: string,
  timeoutMs: number,
): Promise<T | undefined> {
  const client = new HttpClient({ socketPath: platform.supervisorSocket, name: 'the supervisor' });
  try {
    return await client.call<T>(method, path, { timeoutMs });
  } catch (error) {
    if (error instanceof AppError && error.code === 'unavailable') return undefined;
    if (error instanceof AppError && systemCode(error.cause) === 'EACCES')
      throw new AppError('forbidden', 'the supervisor belongs to root', { hint: 'use sudo', cause: error });
    throw error;
  } finally {
    client.close();
  }
}
