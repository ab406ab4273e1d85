// The tar that `docker import URL` names: fetched by the engine itself. Used by the import route.
// Must never read a file of the host, nor follow a redirect to another scheme.
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { Transport } from '../registry-client/transport.ts';

const maxRedirects = 5;

export async function openSource(source: string, signal: AbortSignal): Promise<Readable> {
  let url = parseSource(source);
  const transport = new Transport({ verifiesTls: true, ca: '' });
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const { status, headers, body } = await transport.send({ method: 'GET', url, signal });
    body.on('close', () => transport.close());
    if (status === 200) return body;
    body.destroy();
    if (status < 300 || status > 399 || headers.location === undefined)
      throw new AppError('not_found', `"${url.origin}${url.pathname}" answered with status ${status}`);
    const next = new URL(headers.location, url);
    if (next.protocol !== url.protocol && next.protocol !== 'https:')
      throw new AppError('forbidden', `"${url.host}" redirects to "${next.protocol}//${next.host}"`);
    url = next;
  }
  throw new AppError('bad_request', `"${url.host}" redirects in a circle`);
}

/** As Docker: without a scheme it is HTTP. */
function parseSource(source: string): URL {
  try {
    const url = new URL(/^[a-z]+:\/\//i.test(source) ? source : `http://${source}`);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // said below
  }
  throw new AppError('bad_request', `"${source.slice(0, 200)}" is not an http address`, {
    hint: 'name a URL, or send the archive itself',
  });
}
