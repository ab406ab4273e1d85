// The default web process of a Node app without a Procfile. Pure; used by driver.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import type { Manifest } from './manifest.ts';
import type { PackageManager } from './package-manager.ts';

/** Nothing a shell would treat: such a script can be run as it stands, and its process gets SIGTERM itself. */
const plainCommand = /^[\w@%+:,./=-]+(?: +[\w@%+:,./=-]+)*$/;
const beginsWithAssignment = /^[A-Za-z_]\w*=/;

/**
 * `npm start` costs a second Node process, 0.2 s at each boot, and hides SIGTERM; so a plain start script is run directly.
 * Undefined when nothing says how to start.
 */
export function startCommand(
  tree: SourceTree,
  manifest: Manifest,
  manager: PackageManager,
): string | undefined {
  const script = manifest.scripts['start']?.trim();
  if (script) {
    const hasHooks =
      manifest.scripts['prestart'] !== undefined || manifest.scripts['poststart'] !== undefined;
    const isPlain = plainCommand.test(script) && !beginsWithAssignment.test(script);
    return isPlain && !hasHooks ? script : `${manager.label} start`;
  }
  return tree.has('server.js') ? 'node server.js' : undefined;
}
