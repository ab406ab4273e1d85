// `npm test [FOLDER …]`: the tests of whole behaviours, with the real git, PostgreSQL, Redis and engine. Started by bootstrap.mjs as root.
// One file at a time: they share the machine's cores, and their limits are wall clock.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { startCommand } from '@berth/kit/run-command.ts';
import { callerEnvironment } from './config.ts';

const repository = join(import.meta.dirname, '../..');

/** A test file that hangs is a failure with a name; the slowest (chaos) takes some minutes. */
const fileLimitMs = 10 * 60_000;

const wanted = process.argv.slice(3);
const folders = wanted.length > 0 ? wanted : ['tests'];
const exclude = ['tests/bench/**', 'tests/fixtures/**', '**/node_modules/**'];
const files = folders
  .flatMap((folder) =>
    folder.endsWith('.ts') ? [folder] : globSync(`${folder}/**/*.test.ts`, { cwd: repository, exclude }),
  )
  .toSorted();
if (files.length === 0) {
  process.stderr.write(` !     no tests below ${folders.join(', ')}\n`);
  process.exit(1);
}

const argv: [string, ...string[]] = [
  process.execPath,
  '--test',
  '--test-concurrency=1',
  `--test-timeout=${fileLimitMs}`,
];
// A platform of the user's must not be the one that tests are run against.
const { BERTH_DATA: _data, BERTH_HTTP_PORT: _http, BERTH_API_PORT: _api, ...env } = callerEnvironment();
const child = startCommand([...argv, '--test-reporter=spec', ...files], {
  cwd: repository,
  env,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
