// The last lines that a container printed, for a user who asks why it failed. Bounded in lines, bytes and time.
import type { EngineClient } from '@berth/clients/engine-client.ts';

const maxLines = 20;
const maxBytes = 4096;
/** A busy engine must not hold the report of a crash. */
const limitMs = 1_000;

export async function readTail(
  engine: Pick<EngineClient, 'logs'>,
  containerId: string,
  tty: boolean,
): Promise<string | null> {
  let text = '';
  try {
    const signal = AbortSignal.timeout(limitMs);
    for await (const chunk of engine.logs(containerId, { tail: maxLines, tty, signal }))
      text = (text + chunk.data.toString('utf8')).slice(-4 * maxBytes);
  } catch {
    // what has been read so far has to do
  }
  return cutTail(text);
}

/** At most the limits' worth, beginning with a whole line; null when nothing was printed. */
export function cutTail(text: string): string | null {
  const lines = text.replace(/\n+$/, '').split('\n').slice(-maxLines);
  let bytes = Buffer.byteLength(lines.join('\n'));
  while (lines.length > 1 && bytes > maxBytes) bytes -= Buffer.byteLength(lines.shift() ?? '') + 1;
  const tail = Buffer.from(lines.join('\n')).subarray(-maxBytes).toString('utf8');
  return tail.trim() === '' ? null : tail;
}
