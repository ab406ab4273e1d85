// The first program a newcomer runs: `node infra/up/bootstrap.mjs demo|up|down|status|stack:update|install|format|check|test`, called by the npm scripts.
// Brings the machine to the point where the platform's own TypeScript runs on Node 24, then hands over to it.
// Must stay plain ESM without packages, for Node 20; must do nothing twice.
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { becomeRoot, dropTo } from './bootstrap/become-root.mjs';
import { installBuildersNpm } from './bootstrap/builders-npm.mjs';
import { installPackages, missingPackages } from './bootstrap/debian-packages.mjs';
import { takeLock } from './bootstrap/lock.mjs';
import { checkMachine } from './bootstrap/machine.mjs';
import { buildNative } from './bootstrap/native-build.mjs';
import { installNpmPackages, ownNode, packagesOutOfStep } from './bootstrap/npm-packages.mjs';
import { BootstrapError, reportFailure, step } from './bootstrap/report.mjs';
import { become } from './bootstrap/run.mjs';
import { createSystemUser } from './bootstrap/system-user.mjs';

const repository = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/**
 * What each command needs before its own program can run.
 * @type {Record<string, { program: string, purpose: 'run' | 'check' | 'test', rootTo?: string, prepare: boolean }>}
 */
const commands = {
  demo: { program: 'demo.ts', purpose: 'run', rootTo: 'run containers', prepare: true },
  up: { program: 'main.ts', purpose: 'run', rootTo: 'run containers', prepare: true },
  down: { program: 'main.ts', purpose: 'run', rootTo: 'stop containers', prepare: false },
  status: { program: 'main.ts', purpose: 'run', rootTo: 'ask the supervisor', prepare: false },
  'stack:update': { program: 'main.ts', purpose: 'run', rootTo: 'make stack images', prepare: false },
  install: { program: 'install.ts', purpose: 'run', rootTo: 'install a system service', prepare: true },
  format: { program: 'format.ts', purpose: 'check', prepare: false },
  check: { program: 'check.ts', purpose: 'check', prepare: true },
  test: { program: 'test.ts', purpose: 'test', rootTo: 'run containers in tests', prepare: true },
};

/** @param {string[]} args */
async function main(args) {
  const [name = '', ...rest] = args;
  const command = commands[name];
  if (!command)
    throw new BootstrapError(`there is no command "${name}"`, `one of: ${Object.keys(commands).join(' ')}`);
  checkMachine(repository);
  if (command.rootTo) await becomeRoot(command.rootTo, args);
  if (command.prepare) await prepare(command.purpose, args);
  else if (packagesOutOfStep(repository).length > 0 || !existsSync(ownNode(repository)))
    throw new BootstrapError(
      'nothing is installed in this clone yet',
      'start with `npm run up` or `npm run demo`',
    );
  // Only the environment's own options: a debugger or a heap limit of the caller's is not for the platform.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const program = join(repository, 'infra/up', command.program);
  // Root has a place of its own: its files in a user's clone could not be removed by the user. config.ts says the same.
  const isRoot = process.getuid?.() === 0;
  const cache = isRoot ? '/var/cache/berth/compiled' : join(repository, 'node_modules/.cache/berth');
  await become([ownNode(repository), program, name, ...rest], { env: { NODE_COMPILE_CACHE: cache, ...env } });
}

/**
 * @param {'run' | 'check' | 'test'} purpose
 * @param {string[]} args
 */
async function prepare(purpose, args) {
  if (missingPackages(purpose).length > 0) await becomeRoot('install Debian packages', args);
  const unlock = await takeLock(repository);
  try {
    const owner = dropTo(statSync(repository));
    await step('Debian packages', () => installPackages(purpose));
    await step('npm packages', () => installNpmPackages(repository, owner));
    await step('engine', () => buildNative(repository, owner));
    if (purpose !== 'check') {
      await step('system user', createSystemUser);
      await step('npm for builds', installBuildersNpm);
    }
  } finally {
    unlock();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  reportFailure(error);
  process.exitCode = 1;
}
