// Counts the bytes of a stream on their way. Must never be done with a 'data' listener: it would set the stream flowing before its reader is there.
import { Readable } from 'node:stream';

export function metered(body: Readable, onBytes: (total: number) => void): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    let total = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      total += chunk.length;
      onBytes(total);
      yield chunk;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
