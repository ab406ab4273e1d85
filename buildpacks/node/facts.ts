// Everything a plan needs to know about one Node app, read once from its tree. Used by driver.ts and the files beside it.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { type Framework, findFramework } from './frameworks.ts';
import { type InstallCommands, installCommands } from './install-commands.ts';
import { type LockFacts, nothingLocked, readLockFacts } from './lockfile.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { chooseNode, type NodeChoice } from './node-version.ts';
import { choosePackageManager, type PackageManager } from './package-manager.ts';
import { readWishes } from './version-wishes.ts';
import { readWorkspaces, type Workspace } from './workspaces.ts';

/** The package that is built and started: the root's, or one workspace. */
export interface Part {
  /** "" is the root. */
  folder: string;
  manifest: Manifest;
  framework: Framework | undefined;
  buildScript: 'heroku-postbuild' | 'build' | undefined;
}

export interface Facts {
  tree: SourceTree;
  manifest: Manifest;
  root: Part;
  workspaces: Workspace[];
  node: NodeChoice;
  manager: PackageManager;
  lock: LockFacts;
  commands: InstallCommands;
  hasPackages: boolean;
  keepsDevelopment: boolean;
  /** Heroku's NODE_MODULES_CACHE=false: packages are installed anew by every build. */
  keepsPackages: boolean;
  /** Every command that the tree names outside package.json, for a look at which programs they need. */
  commandTexts: string[];
  arch: PlanContext['arch'];
}

/** Heroku's names. */
const developmentStays = ['NPM_CONFIG_PRODUCTION', 'YARN_PRODUCTION'];
const skipsPruning = [
  'NPM_SKIP_PRUNING',
  'PNPM_SKIP_PRUNING',
  'YARN2_SKIP_PRUNING',
  'YARN_SKIP_PRUNING',
  'SKIP_PRUNING',
];
const filesWithCommands = ['Procfile', 'app.json', 'berth.toml'];

export async function readFacts(tree: SourceTree, context: PlanContext): Promise<Facts> {
  const manifest = await readManifest(tree);
  const [wishes, root, ...texts] = await Promise.all([
    readWishes(tree, manifest),
    readPart(tree, manifest, ''),
    ...filesWithCommands.map((file) => tree.readText(file, 1024 * 1024)),
  ]);
  const [node, manager] = await Promise.all([
    chooseNode(wishes.of.node, context),
    choosePackageManager(tree, manifest, wishes, context),
  ]);
  const workspaces = await readWorkspaces(tree, manifest, manager.kind === 'pnpm');
  const hasPackages = [manifest, ...workspaces.map((one) => one.manifest)].some(namesPackages);
  const lock = hasPackages
    ? readLockFacts(manager.lockfile, manager.lockText, manifest, workspaces)
    : nothingLocked;
  const { vars } = context;
  return {
    tree,
    manifest,
    root,
    workspaces,
    node,
    manager,
    lock: { ...lock, installScripts: tree.has('binding.gyp') ? 'some' : lock.installScripts },
    commands: installCommands(manager, vars['USE_NPM_INSTALL'] === 'true'),
    hasPackages: hasPackages || workspaces.length > 0,
    keepsDevelopment:
      developmentStays.some((name) => vars[name] === 'false') ||
      skipsPruning.some((name) => vars[name] === 'true'),
    keepsPackages: vars['NODE_MODULES_CACHE'] !== 'false',
    // With a root, berth.toml lies outside of this tree.
    commandTexts: [...texts.filter((text) => text !== undefined), ...manifestCommands(context)],
    arch: context.arch,
  };
}

function manifestCommands({ manifest }: PlanContext): string[] {
  if (!manifest) return [];
  const { processTypes, releaseCommand, cron } = manifest;
  const release = releaseCommand === undefined ? [] : [releaseCommand];
  return [...Object.values(processTypes), ...release, ...cron.map(({ command }) => command)];
}

export async function readPart(tree: SourceTree, manifest: Manifest, folder: string): Promise<Part> {
  const { scripts } = manifest;
  return {
    folder,
    manifest,
    framework: await findFramework(tree, manifest, folder),
    buildScript: scripts['heroku-postbuild'] ? 'heroku-postbuild' : scripts['build'] ? 'build' : undefined,
  };
}

function namesPackages(manifest: Manifest): boolean {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest;
  const all = { ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies };
  return Object.keys(all).length > 0;
}

/** An install that may need compilers, but says so when it does: it is tried without them, for most packages bring what they need. */
export function tellsNeed({ lock, tree }: Facts): boolean {
  return !lock.mayFailUnseen && !lock.fromGit && !tree.has('binding.gyp');
}

/** An install that may compile gets compilers and headers, and may look at any config var. */
export function mayCompile({ lock }: Facts): boolean {
  return lock.installScripts !== 'none' || lock.fromGit;
}
