// Compiles the engine's C programs when a source is newer than the program. Called by bootstrap.mjs after the compiler is there.
import { join } from 'node:path';
import { BootstrapError } from './report.mjs';
import { run, runQuietly } from './run.mjs';

/**
 * @param {string} repository
 * @param {{ uid?: number, gid?: number }} owner
 * @returns {Promise<boolean>}
 */
export async function buildNative(repository, owner) {
  const folder = join(repository, 'engine-native/runtime');
  if (run(['make', '-q', '-C', folder], owner).exitCode === 0) return false;
  const result = await runQuietly(['make', '-s', '-j2', '-C', folder], owner);
  if (result.exitCode === 0) return true;
  const firstError =
    result.output.split('\n').find((line) => /error|No such file|\*\*\*/.test(line)) ?? 'no reason given';
  throw new BootstrapError(
    `the engine does not compile (${firstError.trim()})`,
    'run `make -C engine-native/runtime` to see all of it',
  );
}
