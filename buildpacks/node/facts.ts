// Everything a plan needs to know about one Node app, read once from its tree. Used by driver.ts and runtime-layers.ts.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { type InstallCommands, installCommands } from './install-commands.ts';
import { type LockFacts, nothingLocked, readLockFacts } from './lockfile.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { chooseNode, type NodeChoice } from './node-version.ts';
import { choosePackageManager, type PackageManager } from './package-manager.ts';

export interface Facts {
  tree: SourceTree;
  manifest: Manifest;
  node: NodeChoice;
  manager: PackageManager;
  lock: LockFacts;
  commands: InstallCommands;
  buildScript: 'heroku-postbuild' | 'build' | undefined;
  hasPackages: boolean;
  keepsDevelopment: boolean;
  arch: PlanContext['arch'];
}

export async function readFacts(tree: SourceTree, context: PlanContext): Promise<Facts> {
  const manifest = await readManifest(tree);
  const node = await chooseNode(tree, manifest, context);
  const manager = await choosePackageManager(tree, manifest, context.platformNode.npmVersion);
  const { dependencies, devDependencies, optionalDependencies, peerDependencies, scripts } = manifest;
  const names = Object.keys({
    ...dependencies,
    ...devDependencies,
    ...optionalDependencies,
    ...peerDependencies,
  });
  const hasPackages = names.length > 0 || manifest.hasWorkspaces;
  const lock = hasPackages ? readLockFacts(manager.lockfile, manager.lockText, manifest) : nothingLocked;
  const keep = ['NPM_CONFIG_PRODUCTION', 'YARN_PRODUCTION'].some((name) => context.vars[name] === 'false');
  return {
    tree,
    manifest,
    node,
    manager,
    lock: { ...lock, installScripts: tree.has('binding.gyp') ? 'some' : lock.installScripts },
    commands: installCommands(manager),
    buildScript: scripts['heroku-postbuild'] ? 'heroku-postbuild' : scripts['build'] ? 'build' : undefined,
    hasPackages,
    keepsDevelopment: keep || context.vars['PNPM_SKIP_PRUNING'] === 'true',
    arch: context.arch,
  };
}

/** An install that may compile gets compilers and headers, and may look at any config var. */
export function mayCompile({ lock }: Facts): boolean {
  return lock.installScripts !== 'none' || lock.fromGit;
}
