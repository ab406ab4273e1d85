// Starts the bootstrap again as root when the command needs it, and says why. Containers, networks and packages are root's.
import { fileURLToPath } from 'node:url';
import { BootstrapError, detail } from './report.mjs';
import { become, findCommand } from './run.mjs';

/**
 * @param {string} reason what root is needed for
 * @param {string[]} args the arguments this process was started with
 */
export async function becomeRoot(reason, args) {
  if (process.getuid?.() === 0) return;
  if (!findCommand('sudo'))
    throw new BootstrapError(
      `root is needed to ${reason}, and "sudo" is not here`,
      'run the same command as root',
    );
  detail(`root is needed to ${reason}: asking sudo`);
  const script = fileURLToPath(new URL('../bootstrap.mjs', import.meta.url));
  // -E keeps BERTH_*, DATABASE_URL and the proxy variables; PATH is given by hand because sudo replaces it.
  await become(['sudo', '-E', 'env', `PATH=${process.env['PATH'] ?? ''}`, process.execPath, script, ...args]);
}

/**
 * Who should own what is made inside the clone: not root, when a user called sudo on a clone of their own.
 * @param {{ uid: number, gid: number }} owner the owner of the clone
 * @returns {{ uid: number, gid: number } | Record<string, never>}
 */
export function dropTo(owner) {
  return process.getuid?.() === 0 && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : {};
}
