// gzip on every core: a stream in pieces of one MiB, each a gzip member of its own (RFC 1952 §2.2 lets a file have many), compressed side by
// side in Node's thread pool. The same input gives the same bytes. Called by compress-layer.ts.
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const memberBytes = 1 << 20; // smaller members compress worse, larger ones gain nothing
const atOnce = Math.min(availableParallelism() + 1, 8); // one waits while the others are at work; bounds what is in memory

const compressMember = promisify<Buffer, { level: number }, Buffer>(gzip);

export function gzipMembers(source: Readable, level: number): Readable {
  return Readable.from(members(source, level), { objectMode: false });
}

async function* members(source: Readable, level: number): AsyncGenerator<Buffer> {
  const inWork: Promise<Buffer>[] = [];
  for await (const piece of pieces(source)) {
    const work = compressMember(piece, { level });
    work.catch(() => {}); // it is awaited in its turn; until then nobody may call it unhandled
    inWork.push(work);
    if (inWork.length >= atOnce) yield (await inWork.shift()) as Buffer;
  }
  for (const work of inWork) yield await work;
}

/** The stream cut at every MiB, however it arrives. At least one piece: an empty file is one empty member. */
async function* pieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(memberBytes);
  let used = 0;
  let isFirst = true;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(piece, used, at);
      at += taken;
      used += taken;
      if (used < memberBytes) continue;
      yield piece;
      isFirst = false;
      piece = Buffer.allocUnsafe(memberBytes);
      used = 0;
    }
  }
  if (used > 0 || isFirst) yield piece.subarray(0, used);
}
