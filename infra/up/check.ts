// `npm run check`: format, lint, types, architecture, unit tests and the C checks, side by side, under a minute.
// Started by bootstrap.mjs; needs no root and no running platform.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { callerEnvironment } from './config.ts';
import { biome } from './format-tool.ts';
import { type CheckStep, runLanes } from './run-steps.ts';

const repository = join(import.meta.dirname, '../..');
const bin = (name: string) => join(repository, 'node_modules/.bin', name);

function step(name: string, ...argv: [string, ...string[]]): CheckStep {
  return { name, argv, cwd: repository, env: callerEnvironment() };
}

/** Unit tests lie beside the code; what needs a machine lies in tests/. */
function unitTests(): string[] {
  const exclude = ['tests/**', '**/node_modules/**', '**/fixtures/**', 'infra/samples/**'];
  return globSync('**/*.test.ts', { cwd: repository, exclude }).toSorted();
}

const architecture = globSync('tests/architecture/*.test.ts', { cwd: repository }).toSorted();

// Two lanes for two cores, about even.
const results = await runLanes([
  [
    step(
      'lint (types)',
      bin('eslint'),
      '--max-warnings=0',
      '--cache',
      '--cache-location',
      'node_modules/.cache/eslint/',
      '.',
    ),
  ],
  [
    step('format and lint', biome, 'check', '--error-on-warnings', '.'),
    step(
      'types',
      bin('tsc'),
      '--noEmit',
      '-p',
      'tsconfig.json',
      '--incremental',
      '--tsBuildInfoFile',
      'node_modules/.cache/tsc.json',
    ),
    step('unit tests', process.execPath, '--test', '--test-reporter=dot', ...unitTests()),
    step('architecture', process.execPath, '--test', '--test-reporter=dot', ...architecture),
    step('engine (C)', 'make', '-s', '-C', 'engine-native/runtime', 'check'),
  ],
]);
const failed = results.filter(({ exitCode }) => exitCode !== 0);
if (failed.length > 0) {
  process.stdout.write(` !     failed: ${failed.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 1;
}
