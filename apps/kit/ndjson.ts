// Newline-delimited JSON over any byte stream: how parts stream events, log lines and desired state to each other.
import { StringDecoder } from 'node:string_decoder';

/** A line longer than this is a broken or hostile peer, not a message. */
const maxLineBytes = 8 * 1024 * 1024;

/** Yields each line of the stream, parsed. Empty lines (keep-alives) are skipped. Throws on a line that is not JSON. */
export async function* readNdjson(stream: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    let start = 0;
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n', start)) {
      const line = rest.slice(start, end).trim();
      start = end + 1;
      if (line !== '') yield JSON.parse(line);
    }
    rest = rest.slice(start);
    if (rest.length > maxLineBytes) throw new Error('line too long');
  }
}

export function ndjsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
