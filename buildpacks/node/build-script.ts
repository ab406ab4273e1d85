// The shell of a build over the source: lifecycle scripts, build scripts in their order, and the folders that are kept between builds.
// Constant text for every app; folders travel in the environment. Used by build-layers.ts.
import type { Facts, Part } from './facts.ts';
import { lifecycleScripts } from './lifecycle.ts';
import { buildOrder } from './workspaces.ts';

/** Undefined: there is nothing to run. */
export function buildScript(
  facts: Facts,
  part: Part,
  { lifecycle }: { lifecycle: boolean } = { lifecycle: true },
): string | undefined {
  const { manifest, manager, commands } = facts;
  const first = lifecycle
    ? lifecycleScripts(manifest, manager.kind).map((name) => `${commands.run} ${name}`)
    : [];
  const lines = [...first, ...buildCommands(facts, part)];
  return lines.length === 0 ? undefined : lines.join('\n');
}

function buildCommands(facts: Facts, part: Part): string[] {
  const { commands, root, workspaces } = facts;
  const after = part.framework?.afterBuild && part.folder === '' ? [part.framework.afterBuild] : [];
  // The root's build script knows its workspaces.
  if (root.buildScript) return [`${commands.run} ${root.buildScript}`, ...after];
  if (part.folder === '' && workspaces.length === 0) return [...frameworkBuild(part), ...after];
  const scripted = buildFolders(facts, part) === '' ? [] : [workspaceBuilds(commands.run)];
  const own = frameworkOfWorkspace(part).map((command) => `(cd "$BUILD_PART" && ${command})`);
  if (own.length > 0) return [...scripted, ...own];
  return scripted.length === 0 ? frameworkBuild(part) : [...scripted, ...after];
}

/** The started workspace has a framework and no build script: its command, in its folder. */
function frameworkOfWorkspace(part: Part): string[] {
  return part.folder === '' || part.manifest.scripts['build'] ? [] : frameworkBuild(part);
}

/** A framework's own command, when the framework is also what is started. */
function frameworkBuild({ framework, manifest }: Part): string[] {
  if (!framework?.build) return [];
  const start = manifest.scripts['start']?.trim();
  const own = framework.start?.split(' ')[0] ?? '';
  return start === undefined || framework.site || start.startsWith(own) ? [framework.build] : [];
}

function workspaceBuilds(run: string): string {
  return `for folder in $BUILD_FOLDERS; do (cd "$folder" && ${run} build); done`;
}

/** Workspaces with a build script, each after those it needs: of the one that is started, or of all. */
function buildFolders({ workspaces }: Facts, part: Part): string {
  const started = workspaces.find(({ folder }) => folder === part.folder);
  const goals = started ? [started] : workspaces;
  const ordered = new Set(goals.flatMap((goal) => buildOrder(workspaces, goal)));
  return [...ordered]
    .filter(({ manifest }) => manifest.scripts['build'])
    .map(({ folder }) => folder)
    .join(' ');
}

/** Below the app; of what tools write there to be faster the next time. */
const toolCaches = ['node_modules/.cache', 'node_modules/.vite', 'node_modules/.astro'];
const plainPath = /^[\w@+-][\w@+.-]*(?:\/[\w@+.-]+)*$|^\.[\w-]+(?:\/[\w@+.-]+)*$/;

export interface BuildCaches {
  env: Record<string, string>;
  /** Of tools, relative to /app. */
  paths: string[];
  /** As a layer's caches. */
  folders: Record<string, string>;
}

export function buildCaches(facts: Facts, part: Part): BuildCaches {
  const { hasPackages, manifest, tree } = facts;
  const prefix = part.folder === '' ? '' : `${part.folder}/`;
  const linked = [
    ...(hasPackages ? toolCaches : []),
    ...(hasPackages && prefix !== '' ? toolCaches.map((path) => `${prefix}${path}`) : []),
    ...(part.framework?.caches ?? []).map((path) => `${prefix}${path}`),
    ...(tree.has('turbo.json') ? ['.turbo/cache'] : []),
    ...(tree.has('nx.json') ? ['.nx/cache'] : []),
  ];
  // Heroku's list; packages are a layer anyway.
  const copied = manifest.cacheDirectories
    .map((path) => path.replace(/^\.\//, '').replace(/\/+$/, ''))
    .filter((path) => plainPath.test(path) && !path.split('/').includes('..'))
    .filter((path) => !/(^|\/)node_modules$/.test(path) && !linked.includes(path));
  const keeps = linked.length + copied.length > 0;
  const env = {
    ...(keeps ? { BUILD_CACHES: linked.join(' '), BUILD_KEPT: copied.join(' ') } : {}),
    ...(facts.workspaces.length > 0 ? { BUILD_FOLDERS: buildFolders(facts, part) } : {}),
    ...part.framework?.buildEnv,
    ...(frameworkOfWorkspace(part).length > 0 ? { BUILD_PART: part.folder } : {}),
    ...(tree.has('turbo.json') ? { TURBO_TELEMETRY_DISABLED: '1' } : {}),
    ...(tree.has('nx.json') ? { NX_DAEMON: 'false' } : {}),
  };
  return { env, paths: linked, folders: keeps ? { build: '/cache/build' } : {} };
}

/** What a build that installs packages of its own changes, besides what it makes. */
export function addedPackages({ framework, folder }: Part): string[] {
  if (framework?.addsPackages !== true) return [];
  const changed = ['node_modules', 'package.json', ...lockfiles];
  return folder === '' ? changed : [...changed, ...changed.map((name) => `${folder}/${name}`)];
}

const lockfiles = ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'];

/** What only the build needs: not in the image. */
export function buildScratch(part: Part): string[] {
  const prefix = part.folder === '' ? '' : `${part.folder}/`;
  return (part.framework?.scratch ?? []).map((path) => `${prefix}${path}`);
}

export function withCaches(build: string, { folders }: BuildCaches): string {
  return Object.keys(folders).length === 0 ? build : `${linkCaches}${build}${dropCaches}`;
}

/** Caches of tools are links into the app's own folder of caches; what the app itself names is copied, for it belongs into the image. */
const linkCaches = `
for path in $BUILD_CACHES; do
  kept="/cache/build/$(echo "$path" | tr / _)"
  mkdir -p "$kept" "$(dirname "$path")"
  rm -rf "$path"
  ln -s "$kept" "$path"
done
for path in $BUILD_KEPT; do
  kept="/cache/build/own_$(echo "$path" | tr / _)"
  [ ! -d "$kept" ] || { mkdir -p "$path"; cp -a "$kept/." "$path/"; }
done
`;

const dropCaches = `
for path in $BUILD_CACHES; do
  rm -rf "$path"
done
for path in $BUILD_KEPT; do
  kept="/cache/build/own_$(echo "$path" | tr / _)"
  rm -rf "$kept"
  [ ! -d "$path" ] || cp -a "$path" "$kept"
done
`;
