// Starts an app whose build leaves a fetch handler (dist/server/server.js) and a folder of files (dist/client), but nothing that listens.
// Written beside them by the build (framework-tanstack.ts); runs inside the app's container. Must never serve a file outside that folder.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import handler from './server/server.js';

const files = fileURLToPath(new URL('./client', import.meta.url));
const types = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

/** The path of the file that a request names; undefined: the handler answers. */
async function fileFor(request) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  let path;
  try {
    path = decodeURIComponent((request.url ?? '/').split(/[?#]/, 1)[0]);
  } catch {
    return undefined;
  }
  if (path.endsWith('/') || path.includes('\0') || path.split('/').some((part) => part.startsWith('.')))
    return undefined;
  const file = join(files, path);
  const found = await stat(file).catch(() => undefined);
  return found?.isFile()
    ? { file, size: found.size, isNamedByContent: path.startsWith('/assets/') }
    : undefined;
}

async function sendFile({ file, size, isNamedByContent }, request, response) {
  response.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-length': size,
    'cache-control': isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(file), response);
}

async function answer(request, response) {
  const file = await fileFor(request);
  if (file) return sendFile(file, request, response);
  const scheme = String(request.headers['x-forwarded-proto'] ?? 'http').split(',', 1)[0];
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  const headers = new Headers();
  for (let at = 0; at < request.rawHeaders.length; at += 2)
    headers.append(request.rawHeaders[at], request.rawHeaders[at + 1]);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const given = await handler.fetch(
    new Request(new URL(request.url ?? '/', `${scheme}://${request.headers.host ?? 'localhost'}`), {
      method: request.method,
      headers,
      signal: gone.signal,
      ...(hasBody ? { body: Readable.toWeb(request), duplex: 'half' } : {}),
    }),
  );
  const cookies = given.headers.getSetCookie();
  response.writeHead(given.status, {
    ...Object.fromEntries(given.headers),
    ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}),
  });
  if (given.body === null || request.method === 'HEAD') response.end();
  else await pipeline(Readable.fromWeb(given.body), response);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (!response.destroyed) console.error(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { 'content-type': 'text/plain' }).end('internal server error\n');
  });
});
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '0.0.0.0');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
