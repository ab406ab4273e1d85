// The scripts that a package manager runs at an install of the app itself. They may read any file of the source, so dependencies that shall be a layer
// of their own are installed without them, and they run over the source afterwards, where that is what the manager does too. Pure; used by driver.ts.
import type { Facts } from './facts.ts';
import type { Manifest } from './manifest.ts';
import type { ManagerKind } from './package-manager.ts';

/** In the order in which they run. */
const byManager: Record<ManagerKind, readonly string[]> = {
  npm: ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'],
  'yarn-classic': ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare'],
  'yarn-berry': ['preinstall', 'install', 'postinstall'],
  pnpm: ['preinstall', 'install', 'postinstall', 'prepare'],
  bun: ['preinstall', 'install', 'postinstall', 'prepare'],
};

export function lifecycleScripts(manifest: Manifest, kind: ManagerKind): string[] {
  return byManager[kind].filter((name) => manifest.scripts[name]);
}

/** Guards against another package manager need nothing of the source and change nothing. */
const onlyAllow = /^npx (?:-y |--yes )?only-allow \w+$/;

/** Why everything has to be installed in one go over the source; undefined: dependencies can be a layer of their own. */
export function needsSource(facts: Facts): boolean {
  const { tree, manifest, manager, lock, workspaces } = facts;
  const { scripts } = manifest;
  if (lock.fromTree || tree.has('binding.gyp')) return true;
  if (scripts['heroku-prebuild'] || scripts['heroku-cleanup']) return true;
  if (
    workspaces.some(
      (one) => one.manifest.hasCommands || lifecycleScripts(one.manifest, manager.kind).length > 0,
    )
  )
    return true;
  if (workspaces.some(({ folder }) => tree.has(`${folder}/binding.gyp`))) return true;
  if (workspaces.length > 0 && manager.lockfile === undefined) return true;
  return !canRunLater(manifest, manager.kind);
}

function canRunLater({ scripts }: Manifest, kind: ManagerKind): boolean {
  // The others run it before the packages are there.
  const early = scripts['preinstall'];
  if (early && kind !== 'npm' && !onlyAllow.test(early.trim())) return false;
  // `run install` would run its neighbours a second time.
  if (scripts['install'] && (early || scripts['postinstall'])) return false;
  return !(scripts['prepare'] && (scripts['preprepare'] || scripts['postprepare']));
}
