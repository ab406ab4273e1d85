// Answers one request of a static site: which file, which headers, which bytes. Used by server.mjs; runs inside the app's container.
// Must never serve a file outside the root, a hidden file, or the site's own static.json.
// @ts-check
import { createReadStream } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';

/** @typedef {import('./settings.mjs').Settings} Settings */

/** @type {Record<string, string>} */
const types = {
  '.avif': 'image/avif',
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.ogg': 'audio/ogg',
  '.otf': 'font/otf',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'text/xml; charset=utf-8',
  '.zip': 'application/zip',
};

/**
 * @param {Settings} settings
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
export async function respond(settings, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return plain(response, 405, 'method not allowed\n', { allow: 'GET, HEAD' });
  const path = decodePath(request.url ?? '/');
  if (path === undefined) return plain(response, 400, 'bad request\n');
  const found = await findFile(settings, path);
  if (found?.redirect) return plain(response, 301, '', { location: encodeURI(found.redirect) });
  if (found?.file) return sendFile(settings, request, response, path, found.file, 200);
  const route = settings.routes.find(({ pattern }) => pattern.test(path));
  const routed = route && (await regularFile(settings.root, `/${route.target.replace(/^\/+/, '')}`));
  if (routed) return sendFile(settings, request, response, path, routed, 200);
  const page = await regularFile(settings.root, `/${(settings.errorPage ?? '404.html').replace(/^\/+/, '')}`);
  if (page) return sendFile(settings, request, response, path, page, 404);
  return plain(response, 404, 'not found\n');
}

/**
 * The path without query, decoded; undefined when it is malformed, climbs out or names something hidden.
 * @param {string} url
 */
export function decodePath(url) {
  const raw = url.split(/[?#]/, 1)[0] ?? '/';
  let path;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  if (!path.startsWith('/') || path.includes('\0') || path.includes('\\')) return undefined;
  const parts = path.split('/');
  if (parts.some((part) => part === '..' || part === '.')) return undefined;
  return path.replace(/\/{2,}/g, '/');
}

/**
 * @param {Settings} settings
 * @param {string} path
 * @returns {Promise<{ file?: string, redirect?: string } | undefined>}
 */
async function findFile(settings, path) {
  if (path.endsWith('/')) {
    const index = await regularFile(settings.root, `${path}index.html`);
    return index ? { file: index } : undefined;
  }
  const direct = await regularFile(settings.root, path);
  if (direct) return { file: direct };
  if (settings.cleanUrls) {
    const page = await regularFile(settings.root, `${path}.html`);
    if (page) return { file: page };
  }
  return (await regularFile(settings.root, `${path}/index.html`)) ? { redirect: `${path}/` } : undefined;
}

/**
 * The real path of a regular file below the root; links may not lead out of it.
 * @param {string} root
 * @param {string} path
 */
async function regularFile(root, path) {
  const hidden = path.split('/').some((part) => part.startsWith('.') && part !== '.well-known');
  if (hidden || path === '/static.json') return undefined;
  try {
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return undefined;
    return (await stat(real)).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Settings} settings
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {string} path
 * @param {string} file
 * @param {number} status
 */
async function sendFile(settings, request, response, path, file, status) {
  const handle = await open(file);
  try {
    const { size, mtimeMs } = await handle.stat();
    const etag = `"${size.toString(16)}-${Math.floor(mtimeMs / 1000).toString(16)}"`;
    /** @type {Record<string, string | number>} */
    const headers = {
      'content-type': types[extname(file).toLowerCase()] ?? 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'last-modified': new Date(mtimeMs).toUTCString(),
      'cache-control': 'public, max-age=0, must-revalidate',
      etag,
      ...Object.assign(
        {},
        ...settings.headers.filter(({ pattern }) => pattern.test(path)).map((rule) => rule.headers),
      ),
    };
    if (status === 200) headers['accept-ranges'] = 'bytes';
    if (status === 200 && isFresh(request, etag, mtimeMs)) {
      response.writeHead(304, headers).end();
      return;
    }
    const range =
      status === 200
        ? parseRange(request.headers.range, size, [request.headers['if-range']].flat()[0], etag)
        : undefined;
    if (range === 'unsatisfiable') return plain(response, 416, '', { 'content-range': `bytes */${size}` });
    const { start, end } = range ?? { start: 0, end: size - 1 };
    headers['content-length'] = Math.max(0, end - start + 1);
    if (range) headers['content-range'] = `bytes ${start}-${end}/${size}`;
    response.writeHead(range ? 206 : status, headers);
    if (request.method === 'HEAD' || size === 0) response.end();
    else await copy(createReadStream(file, { start, end }), response);
  } finally {
    await handle.close();
  }
}

/**
 * @param {import('node:fs').ReadStream} from
 * @param {import('node:http').ServerResponse} to
 */
async function copy(from, to) {
  await new Promise((resolve) => {
    from.on('error', () => to.destroy());
    to.on('close', () => {
      from.destroy();
      resolve(undefined);
    });
    from.pipe(to);
  });
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {string} etag
 * @param {number} mtimeMs
 */
function isFresh(request, etag, mtimeMs) {
  const noneMatch = request.headers['if-none-match'];
  if (noneMatch !== undefined)
    return noneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
  // Equal, not older: a rollback brings back files with an earlier time.
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  return since === Math.floor(mtimeMs / 1000) * 1000;
}

/**
 * One range (RFC 9110 §14.2); several ranges or an unknown unit are answered with the whole file.
 * @param {string | undefined} header
 * @param {number} size
 * @param {string | undefined} ifRange
 * @param {string} etag
 * @returns {{ start: number, end: number } | 'unsatisfiable' | undefined}
 */
export function parseRange(header, size, ifRange, etag) {
  if (header === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const last = size - 1;
  if (match[1] === '') {
    const length = Number(match[2]);
    return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: last };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? last : Math.min(Number(match[2]), last);
  if (start > last) return 'unsatisfiable';
  return end < start ? undefined : { start, end };
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {string} body
 * @param {Record<string, string>} [headers]
 */
function plain(response, status, body, headers = {}) {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      ...headers,
    })
    .end(response.req.method === 'HEAD' ? '' : body);
}
