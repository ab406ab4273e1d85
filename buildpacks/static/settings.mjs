// How a site is served: static.json (the fields of Heroku's static buildpack that make sense here), _headers and _redirects, and what the driver found
// (BERTH_STATIC_ROOT, BERTH_STATIC_FALLBACK). Read once by server.mjs. Runs inside the app's container.
// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { parseHeaders, parseRedirects } from './site-rules.mjs';

/**
 * @typedef {object} Settings
 * @property {string} root absolute folder that is served
 * @property {boolean} cleanUrls /about serves about.html
 * @property {string | undefined} errorPage path of the page for 404, relative to the root
 * @property {{ pattern: RegExp, target: string }[]} routes rewrites for paths without a file
 * @property {string | undefined} fallback the page for paths without a file that a person may have typed
 * @property {import('./site-rules.mjs').Redirect[]} redirects
 * @property {import('./site-rules.mjs').HeaderRule[]} headers
 * @property {string[]} problems of _headers and _redirects, for the log
 */

/** Folders that builds usually write a site into, the likeliest first. */
const usualRoots = ['public', 'dist', 'build', 'out', '_site', 'build/client', '.output/public'];

/**
 * @param {string} folder the app's folder
 * @param {Record<string, string | undefined>} [env]
 * @returns {Settings}
 */
export function readSettings(folder, env = {}) {
  const file = join(folder, 'static.json');
  const hasFile = existsSync(file);
  /** @type {any} */
  const json = hasFile ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const named = typeof json.root === 'string' ? json.root : env['BERTH_STATIC_ROOT'];
  const root = named === undefined ? findRoot(folder) : resolve(folder, named);
  if (root !== folder && !root.startsWith(folder + sep))
    throw new Error(`the site's folder "${named}" leads out of the app`);
  const redirects = parseRedirects(textOf(join(root, '_redirects')));
  const headers = parseHeaders(textOf(join(root, '_headers')));
  return {
    root,
    // Heroku's default where its file is used; generators without one mean /about by about.html.
    cleanUrls: hasFile ? json.clean_urls === true : true,
    errorPage: typeof json.error_page === 'string' ? json.error_page : undefined,
    routes: Object.entries(json.routes ?? {}).map(([glob, target]) => ({
      pattern: globPattern(glob),
      target: String(target),
    })),
    fallback: env['BERTH_STATIC_FALLBACK'],
    redirects: [...redirectsOf(json.redirects), ...redirects.rules],
    headers: [
      ...Object.entries(json.headers ?? {}).map(([glob, values]) => ({
        pattern: globPattern(glob),
        headers: lowerCased(values),
      })),
      ...headers.rules,
    ],
    problems: [...redirects.problems, ...headers.problems],
  };
}

/** @param {string} file */
function textOf(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/**
 * Heroku's `"redirects": { "/old": { "url": "/new", "status": 302 } }`.
 * @param {any} redirects
 * @returns {import('./site-rules.mjs').Redirect[]}
 */
function redirectsOf(redirects) {
  return Object.entries(redirects ?? {}).map(([glob, to]) => ({
    pattern: globPattern(glob),
    query: [],
    target: String(to?.url ?? to),
    status: Number(to?.status ?? 301),
    force: true,
  }));
}

/**
 * @param {unknown} headers
 * @returns {Record<string, string>}
 */
function lowerCased(headers) {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

/** @param {string} folder */
function findRoot(folder) {
  if (existsSync(join(folder, 'index.html'))) return folder;
  const found = usualRoots.find((name) => existsSync(join(folder, name, 'index.html')));
  return found === undefined ? folder : join(folder, found);
}

/**
 * `*` is one path segment, `**` any number.
 * @param {string} glob
 */
export function globPattern(glob) {
  const source = glob
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`);
}
