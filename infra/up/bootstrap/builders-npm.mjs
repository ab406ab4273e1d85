// The npm that builds use: one pinned version for every host, so that the same source gives the same layers, and whole (Debian 13 takes its own
// npm apart). A program that is run, not a part of Berth: it is not in the lock file. Called by bootstrap.mjs as root.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError } from './report.mjs';
import { runQuietly } from './run.mjs';

const version = '11.19.1';
/** builder/platform-node.ts looks here first. */
const folder = `/var/cache/berth/npm-${version}`;

/** @returns {Promise<boolean>} whether something was done */
export async function installBuildersNpm() {
  if (existsSync(join(folder, 'node_modules/npm/bin/npm-cli.js'))) return false;
  const temporary = `${folder}.tmp-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true, mode: 0o755 });
  const argv = [
    'npm',
    'install',
    '--prefix',
    temporary,
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ];
  const result = await runQuietly([...argv, `npm@${version}`], { cwd: temporary });
  if (result.exitCode !== 0) {
    rmSync(temporary, { recursive: true, force: true });
    throw new BootstrapError(
      `npm ${version}, which builds use, cannot be installed`,
      `try it by hand: npm install --prefix /tmp/npm npm@${version}`,
    );
  }
  renameSync(temporary, folder);
  return true;
}
