// Answers one request of a static site: which file, or where else. Used by server.mjs; runs inside the app's container.
// Must never serve a file outside the root, a hidden file, or the files that say how the site is served.
// @ts-check
import { realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { plain, sendFile } from './send-file.mjs';
import { targetOf } from './site-rules.mjs';

/** @typedef {import('./settings.mjs').Settings} Settings */

const notServed = new Set(['/static.json', '/Staticfile', '/_headers', '/_redirects']);

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
  const send = (/** @type {string} */ file, /** @type {number} */ status) =>
    sendFile(settings, request, response, { path, file, status });
  const query = new URLSearchParams((request.url ?? '').split('#')[0]?.split('?').slice(1).join('?'));
  if (await redirect(settings, { path, query, forced: true }, response, send)) return;
  const found = await findFile(settings, path);
  if (found?.redirect) return plain(response, 301, '', { location: encodeURI(found.redirect) });
  if (found?.file) return send(found.file, 200);
  if (await redirect(settings, { path, query, forced: false }, response, send)) return;
  const route = settings.routes.find(({ pattern }) => pattern.test(path));
  const routed = route && (await regularFile(settings.root, rooted(route.target)));
  if (routed) return send(routed, 200);
  // A script that is not there must not be answered with a page.
  if (settings.fallback !== undefined && isForPeople(request, path)) {
    const page = await regularFile(settings.root, rooted(settings.fallback));
    if (page) return send(page, 200);
  }
  const page = await regularFile(settings.root, rooted(settings.errorPage ?? '404.html'));
  if (page) return send(page, 404);
  return plain(response, 404, 'not found\n');
}

/**
 * The first rule for the path; true when it has answered.
 * @param {Settings} settings
 * @param {{ path: string, query: URLSearchParams, forced: boolean }} asked
 * @param {import('node:http').ServerResponse} response
 * @param {(file: string, status: number) => Promise<void>} send
 */
async function redirect(settings, { path, query, forced }, response, send) {
  for (const rule of settings.redirects) {
    if (rule.force !== forced) continue;
    const target = targetOf(rule, path, query);
    if (target === undefined) continue;
    if (rule.status !== 200 && rule.status !== 404) {
      // "//host" would lead to another site.
      plain(response, rule.status, '', { location: target.replace(/^\/{2,}/, '/') });
      return true;
    }
    const inside = decodePath(target);
    const found = inside === undefined ? undefined : await findFile(settings, inside);
    if (!found?.file) continue;
    await send(found.file, rule.status);
    return true;
  }
  return false;
}

/** @param {string} path */
function rooted(path) {
  return `/${path.replace(/^\/+/, '')}`;
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {string} path
 */
function isForPeople(request, path) {
  return extname(path) === '' || (request.headers.accept ?? '').includes('text/html');
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
  if (hidden || notServed.has(path)) return undefined;
  try {
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return undefined;
    return (await stat(real)).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}
