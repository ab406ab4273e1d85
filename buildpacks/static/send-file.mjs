// Sends one file of a static site: headers, conditions, ranges, compression. Used by respond.mjs; runs inside the app's container.
// @ts-check
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { compressed } from './compress.mjs';

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

const revalidated = 'public, max-age=0, must-revalidate';
/** Folders into which bundlers write files whose names change with their content. */
const bundled =
  /^\/(?:.*\/)?(?:assets|static|_astro|_next\/static|_nuxt|_app\/immutable|build|js|css|chunks)\//;
/** "index-BxK3l9aQ.js", "main.8f3a2c1d.css": eight characters or more with a digit among them. */
const hashed = /[.-](?=[\w-]*\d)[\w-]{8,}\.\w+(?:\.map)?$/;
const typesToCompress = /^(?:text\/|application\/(?:json|manifest|xml|wasm)|image\/svg)/;

/**
 * @param {string} path
 */
export function cacheControl(path) {
  const isPage = /\.html?$/.test(path) || extname(path) === '';
  const lasting =
    !isPage && (/^\/_app\/immutable\//.test(path) || (bundled.test(path) && hashed.test(basename(path))));
  return lasting ? 'public, max-age=31536000, immutable' : revalidated;
}

/**
 * @param {Settings} settings
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {{ path: string, file: string, status: number }} what
 */
export async function sendFile(settings, request, response, { path, file, status }) {
  const type = types[extname(file).toLowerCase()] ?? 'application/octet-stream';
  const whole = await stat(file);
  const tag = `${whole.size.toString(16)}-${Math.floor(whole.mtimeMs / 1000).toString(16)}`;
  const compresses = typesToCompress.test(type);
  const wants =
    compresses && request.headers.range === undefined ? request.headers['accept-encoding'] : undefined;
  const smaller = wants === undefined ? undefined : await compressed(file, tag, whole.size, wants);
  const etag = smaller ? `"${tag}-${smaller.encoding}"` : `"${tag}"`;
  /** @type {Record<string, string | number>} */
  const headers = {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    'last-modified': whole.mtime.toUTCString(),
    'cache-control': status === 200 ? cacheControl(path) : revalidated,
    etag,
    ...(compresses ? { vary: 'accept-encoding' } : {}),
    ...(smaller ? { 'content-encoding': smaller.encoding } : {}),
    ...Object.assign(
      {},
      ...settings.headers.filter(({ pattern }) => pattern.test(path)).map((rule) => rule.headers),
    ),
  };
  if (status === 200 && !smaller) headers['accept-ranges'] = 'bytes';
  if (status === 200 && isFresh(request, etag, whole.mtimeMs)) {
    response.writeHead(304, headers).end();
    return;
  }
  if (smaller?.data) {
    response.writeHead(status, { ...headers, 'content-length': smaller.data.length });
    response.end(request.method === 'HEAD' ? '' : smaller.data);
    return;
  }
  await sendBytes(request, response, {
    file: smaller?.file ?? file,
    status,
    headers,
    etag,
    inParts: !smaller,
  });
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {{ file: string, status: number, headers: Record<string, string | number>, etag: string, inParts: boolean }} what
 */
async function sendBytes(request, response, { file, status, headers, etag, inParts }) {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const range =
      status === 200 && inParts
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
export function plain(response, status, body, headers = {}) {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      ...headers,
    })
    .end(response.req.method === 'HEAD' ? '' : body);
}
