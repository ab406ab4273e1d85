// Reads static.json (the fields of Heroku's static buildpack that make sense here) for server.mjs. Runs inside the app's container.
// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';

/**
 * @typedef {object} Settings
 * @property {string} root absolute folder that is served
 * @property {boolean} cleanUrls /about serves about.html
 * @property {string | undefined} errorPage path of the page for 404, relative to the root
 * @property {{ pattern: RegExp, target: string }[]} routes rewrites for paths without a file
 * @property {{ pattern: RegExp, headers: Record<string, string> }[]} headers
 */

/** Folders that builds usually write a site into, the likeliest first. */
const usualRoots = ['public', 'dist', 'build', 'out'];

/**
 * @param {string} folder the app's folder
 * @returns {Settings}
 */
export function readSettings(folder) {
  const file = join(folder, 'static.json');
  /** @type {any} */
  const json = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const root = typeof json.root === 'string' ? resolve(folder, json.root) : findRoot(folder);
  if (root !== folder && !root.startsWith(folder + sep))
    throw new Error('"root" in static.json leads out of the app');
  return {
    root,
    cleanUrls: json.clean_urls === true,
    errorPage: typeof json.error_page === 'string' ? json.error_page : undefined,
    routes: Object.entries(json.routes ?? {}).map(([glob, target]) => ({
      pattern: globPattern(glob),
      target: String(target),
    })),
    headers: Object.entries(json.headers ?? {}).map(([glob, headers]) => ({
      pattern: globPattern(glob),
      headers: /** @type {Record<string, string>} */ (headers),
    })),
  };
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
