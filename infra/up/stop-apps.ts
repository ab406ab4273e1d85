// Stops every app container of this platform through the engine's own API. Called by `down`, never by a restart.
import { HttpClient } from '@berth/clients/http-client.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Platform } from './config.ts';

/** Time an app has after SIGTERM; the engine kills it then. */
const graceSeconds = 10;

/** Stops all running containers at once; the names of those that were stopped. */
export async function stopApps(platform: Platform): Promise<string[]> {
  const engine = new HttpClient({ socketPath: platform.engineSocket, name: 'the engine' });
  try {
    const containers = await engine.call<{ Id: string; Names?: string[] }[]>('GET', '/containers/json', {
      timeoutMs: 10_000,
    });
    return await Promise.all(
      containers.map(async ({ Id, Names }) => {
        await stopOne(engine, Id);
        return Names?.[0]?.replace(/^\//, '') ?? Id.slice(0, 12);
      }),
    );
  } finally {
    engine.close();
  }
}

async function stopOne(engine: HttpClient, id: string): Promise<void> {
  try {
    const timeoutMs = (graceSeconds + 10) * 1000;
    await engine.call('POST', `/containers/${id}/stop?t=${graceSeconds}`, { timeoutMs });
  } catch (error) {
    // Ended or removed by itself meanwhile, which is what was wanted.
    if (error instanceof AppError && (error.code === 'not_found' || error.code === 'conflict')) return;
    throw error;
  }
}
