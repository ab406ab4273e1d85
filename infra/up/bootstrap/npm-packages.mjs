// Brings node_modules in step with package-lock.json, and Node 24 with it. Called by bootstrap.mjs.
// Must never run a package's install scripts, and never touch node_modules that are in step already.
import { existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError } from './report.mjs';
import { run, runQuietly } from './run.mjs';

/**
 * @typedef {{ version?: string, link?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} LockEntry
 */

/**
 * The packages of the lock that node_modules lacks or has in another version. npm writes its own record of what it
 * installed as its last act, so a killed install shows as out of step.
 * @param {string} repository
 */
export function packagesOutOfStep(repository) {
  const wanted = readEntries(join(repository, 'package-lock.json'));
  const installed = readEntries(join(repository, 'node_modules/.package-lock.json'));
  return Object.entries(wanted)
    .filter(([path, entry]) => path.startsWith('node_modules/') && isForThisMachine(entry))
    .filter(([path, entry]) => installed[path]?.version !== entry.version)
    .map(([path]) => path);
}

/**
 * @param {string} path
 * @returns {Record<string, LockEntry>}
 */
function readEntries(path) {
  if (!existsSync(path)) return {};
  return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
}

/** @param {LockEntry} entry */
function isForThisMachine(entry) {
  const allows = (/** @type {string[] | undefined} */ list, /** @type {string} */ value) =>
    !list || list.includes(value);
  return (
    !entry.link &&
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch) &&
    allows(entry.libc, 'glibc')
  );
}

/** @param {string} repository */
export function ownNode(repository) {
  return join(repository, 'node_modules/.bin/node');
}

/** npm's own delays (10 s, then 60 s) let a machine without a network wait for minutes before a word is said. */
const quickRetries = ['--fetch-retries=3', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/**
 * Older npm (9, as in Debian 13) makes no link for a program named "node".
 * @param {string} repository
 */
function linkNode(repository) {
  if (existsSync(ownNode(repository))) return;
  rmSync(ownNode(repository), { force: true });
  symlinkSync(`../node-linux-${process.arch}/bin/node`, ownNode(repository));
}

/**
 * @param {string} repository
 * @param {{ uid?: number, gid?: number }} owner
 * @returns {Promise<boolean>}
 */
export async function installNpmPackages(repository, owner) {
  if (packagesOutOfStep(repository).length === 0 && existsSync(ownNode(repository))) return false;
  const argv = [
    'npm',
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=warn',
    ...quickRetries,
  ];
  let result = await runQuietly(argv, { cwd: repository, ...owner });
  // npm gives up on a damaged entry of its cache after it has removed it; the second run fetches it anew.
  if (/corrupted/.test(result.output)) result = await runQuietly(argv, { cwd: repository, ...owner });
  if (result.exitCode !== 0) throw new BootstrapError(...explainNpm(result.output));
  linkNode(repository);
  const version = run([ownNode(repository), '--version']);
  if (version.exitCode !== 0)
    throw new BootstrapError(
      'the Node that npm installed does not run',
      `npm's package "node-linux-${process.arch}" is needed`,
    );
  return true;
}

/**
 * @param {string} output
 * @returns {[message: string, hint: string]}
 */
function explainNpm(output) {
  const last =
    output.split('\n').filter((line) => /npm (error|ERR!)/i.test(line) && !/complete log/.test(line))[0] ??
    output.trim().split('\n').at(-1) ??
    '';
  if (/ENOSPC/.test(output))
    return ['the disk is full: npm cannot unpack packages', 'free some space and start again'];
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|network/i.test(output))
    return [
      'the npm registry cannot be reached',
      'check the network (and `npm config get registry`), then start again',
    ];
  if (/EACCES|EPERM/.test(output)) return ['npm may not write to node_modules', 'check who owns the clone'];
  return [`npm ci failed (${last.trim()})`, 'run `npm ci --ignore-scripts` by hand to see all of it'];
}
