// Creates the system user that PostgreSQL and Redis run as: PostgreSQL refuses root, and Redis has no business with it.
import { readFileSync } from 'node:fs';
import { BootstrapError } from './report.mjs';
import { run } from './run.mjs';

export const systemUser = 'berth';

/** @returns {boolean} */
export function createSystemUser() {
  if (/^berth:/m.test(readFileSync('/etc/passwd', 'utf8'))) return false;
  const argv = [
    'useradd',
    '--system',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
  ];
  const result = run([...argv, '--user-group', '--comment', 'Berth', systemUser]);
  // 9: the name is taken meanwhile, by another bootstrap.
  if (result.exitCode !== 0 && result.exitCode !== 9)
    throw new BootstrapError(
      `the system user "${systemUser}" cannot be created (${result.output.trim()})`,
      'create it by hand with useradd --system',
    );
  return true;
}
