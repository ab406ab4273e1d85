// Waits for the first answer that shows a new version. Used by the benches that measure up to what a user sees.
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks every 3 ms until an answer carries the version; milliseconds since `start`. */
export async function untilServed(
  port: number,
  host: string,
  version: string,
  start: number,
): Promise<number> {
  const deadline = start + 120_000;
  while (performance.now() < deadline) {
    const body = await new Promise<string>((resolve) => {
      const request = get(
        { host: '127.0.0.1', port, headers: { host }, agent: false, timeout: 2000 },
        (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve(response.statusCode === 200 ? text : ''));
          response.on('error', () => resolve(''));
        },
      );
      request.on('error', () => resolve(''));
      request.on('timeout', () => request.destroy());
    });
    if (body.includes(version)) return performance.now() - start;
    await sleep(3);
  }
  throw new Error(`"${version}" was not served in 120 s`);
}
