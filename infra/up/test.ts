// `npm test [FOLDER …]`: the tests of whole behaviours, with the real git, PostgreSQL, Redis and engine. Started by bootstrap.mjs as root.
// One file at a time: they share the machine's cores, and their limits are wall clock. Whatever ends a run, no platform of it lives on.
import { chmodSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, startCommand } from '@berth/kit/run-command.ts';
import { callerEnvironment } from './config.ts';

const repository = join(import.meta.dirname, '../..');

/** A test file that hangs is a failure with a name; the slowest (chaos) takes some minutes. */
const fileLimitMs = 10 * 60_000;

function findTests(wanted: readonly string[]): string[] {
  const folders = wanted.length > 0 ? wanted : ['tests'];
  const exclude = ['tests/bench/**', 'tests/fixtures/**', '**/node_modules/**'];
  const find = (folder: string) => globSync(`${folder}/**/*.test.ts`, { cwd: repository, exclude });
  return folders.flatMap((folder) => (folder.endsWith('.ts') ? [folder] : find(folder))).toSorted();
}

/** A platform of the user's must not be the one that tests are run against. */
function testEnvironment(folder: string): Record<string, string> {
  const own = Object.entries(callerEnvironment()).filter(([name]) => !name.startsWith('BERTH_'));
  return { ...Object.fromEntries(own), TMPDIR: folder };
}

function runTests(files: readonly string[], env: Record<string, string>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const flags = ['--test', '--test-concurrency=1', `--test-timeout=${fileLimitMs}`, '--test-reporter=spec'];
  const child = startCommand([process.execPath, ...flags, ...files], {
    cwd: repository,
    env,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('error', () => resolve(127));
  child.on('exit', (code) => resolve(code ?? 1));
  return promise;
}

/** Stops the platforms that an interrupted or failed test left in the run's folder; how many there were. */
async function stopPlatforms(folder: string, env: Record<string, string>): Promise<number> {
  const data = readdirSync(folder).map((name) => join(folder, name, 'data'));
  const left = data.filter((path) => existsSync(join(path, 'keys')));
  for (const path of left) {
    const argv: [string, ...string[]] = [
      process.execPath,
      join(import.meta.dirname, 'main.ts'),
      'down',
      '--data',
      '--yes',
    ];
    const result = await runCommand(argv, { env: { ...env, BERTH_DATA: path }, timeoutMs: 120_000 });
    process.stderr.write(
      ` !     a test left its platform: ${result.stdout.toString('utf8').trim()}${result.stderr}\n`,
    );
  }
  return left.length;
}

const files = findTests(process.argv.slice(3));
if (files.length === 0) {
  process.stderr.write(` !     no tests below ${process.argv.slice(3).join(', ')}\n`);
  process.exit(1);
}
// Short, since unix sockets in it allow 107 bytes; open to walk through for the user of the databases.
const folder = mkdtempSync('/tmp/bt-');
chmodSync(folder, 0o711);
const env = testEnvironment(folder);
const exitCode = await runTests(files, env);
const left = await stopPlatforms(folder, env);
const isMounted = readFileSync('/proc/mounts', 'utf8').includes(` ${folder}/`);
if (!isMounted) rmSync(folder, { recursive: true, force: true });
process.exit(exitCode === 0 && (left > 0 || isMounted) ? 1 : exitCode);
