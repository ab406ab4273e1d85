// The app's own layers: packages, source, what the build leaves. In layers (packages keyed by the lockfile alone), or as a whole when installing
// needs the source. Used by driver.ts. Scripts are constants; folders of the tree travel in the environment, checked by workspaces.ts.
import type { PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { addedPackages, buildCaches, buildScratch, buildScript, withCaches } from './build-script.ts';
import { explainBuild, explainInstall } from './explain.ts';
import { type Facts, mayCompile, type Part, tellsNeed } from './facts.ts';
import { lifecycleScripts } from './lifecycle.ts';
import type { ManagerKind } from './package-manager.ts';
import { binFolders, gypSettings, quietNpm, toolLayers } from './runtime-layers.ts';

/** Settings of each manager; the others would complain about names they do not know. */
const managerEnv: Record<ManagerKind, Record<string, string>> = {
  npm: {},
  pnpm: {
    npm_config_store_dir: '/cache/pnpm',
    // Links into the store do not survive in a layer.
    npm_config_package_import_method: 'copy',
  },
  'yarn-classic': { YARN_CACHE_FOLDER: '/cache/yarn' },
  'yarn-berry': {
    YARN_CACHE_FOLDER: '/cache/yarn',
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_ENABLE_TELEMETRY: '0',
    // Plug'n'play would make `node server.js` fail without yarn around it.
    YARN_NODE_LINKER: 'node-modules',
  },
  bun: { BUN_INSTALL_CACHE_DIR: '/cache/bun', DO_NOT_TRACK: '1' },
};

interface Needs {
  /** Only the built site is served: packages are for the build alone. */
  site: boolean;
  /** Installing reads the source. */
  whole: boolean;
}

export function buildLayers(facts: Facts, part: Part, source: PlannedLayer, needs: Needs): PlannedLayer[] {
  return needs.whole ? [source, wholeBuild(facts, part)] : layeredBuild(facts, part, source, needs.site);
}

function appStep(facts: Facts, part: Part, id: string): RunLayer {
  const { manager } = facts;
  const compiles = mayCompile(facts);
  const later = compiles && tellsNeed(facts);
  const withCompilers = { when: asksForCompilers, on: ['headers'], env: gypSettings(facts) };
  return {
    kind: 'run',
    id,
    inImage: true,
    title: `Installing dependencies (${facts.commands.shown})`,
    cachedTitle: 'Restoring dependencies (unchanged)',
    step: 'dependencies',
    on: toolLayers(facts),
    key: [manager.kind],
    scope: 'app',
    files: [],
    stack: compiles && !later ? 'build' : 'run',
    ...(later ? { withCompilers } : {}),
    user: 'app',
    script: '',
    env: {
      ...quietNpm,
      ...managerEnv[manager.kind],
      ...(compiles && !later ? gypSettings(facts) : {}),
      NODE_ENV: 'production',
    },
    path: binFolders(facts, part),
    vars: compiles ? 'all' : 'install',
    caches: facts.keepsPackages ? { [manager.label]: `/cache/${manager.label}` } : {},
    keep: '/app',
    leaveOut: [
      'node_modules/.cache',
      '.npm',
      '.cache',
      '.yarn/cache',
      '.yarn/install-state.gz',
      '.yarn/unplugged',
    ],
    quiet: false,
    explain: explainInstall(manager),
  };
}

/** What node-gyp and its like say where there is no compiler, no make, no Python, no git. */
function asksForCompilers(output: string): boolean {
  return /gyp ERR!|node-gyp|node-pre-gyp|prebuild-install|(?:make|cmake|cc|gcc|g\+\+|c\+\+|python3?|git): (?:command )?not found|spawn (?:make|cmake|git|python3?) ENOENT/.test(
    output,
  );
}

/** Packages, source and build output each in a layer of their own. */
function layeredBuild(facts: Facts, part: Part, source: PlannedLayer, isSite: boolean): PlannedLayer[] {
  const { commands, hasPackages, keepsDevelopment } = facts;
  const build = buildScript(facts, part);
  const all = [facts.manifest, ...facts.workspaces.map(({ manifest }) => manifest)];
  const hasDevelopment = all.some(({ devDependencies }) => Object.keys(devDependencies).length > 0);
  const twice = build !== undefined && hasPackages && !keepsDevelopment && (hasDevelopment || isSite);
  const layers: PlannedLayer[] = [];
  if (twice) {
    const everything = installStep(facts, part, 'all-dependencies', commands.all);
    layers.push({ ...everything, inImage: false, step: isSite ? 'dependencies' : 'build dependencies' });
  }
  if (hasPackages && !(twice && isSite)) {
    const wanted = keepsDevelopment ? commands.all : commands.production;
    const packages = installStep(facts, part, 'dependencies', wanted);
    // After a full install this one only repeats what the pusher has seen.
    layers.push(twice ? { ...silent(packages), after: ['all-dependencies'] } : packages);
  }
  layers.push(source);
  const below = twice ? 'all-dependencies' : 'dependencies';
  if (build !== undefined) {
    const output = outputStep(facts, part, build, hasPackages ? [below] : []);
    // Packages stay below the build: not even the empty folder comes along.
    const leaveOut = [...output.leaveOut, ...(twice && isSite ? ['node_modules'] : [])];
    layers.push({ ...output, leaveOut });
  }
  return layers;
}

/** From manifests and lockfile alone, so that the source does not matter. */
function installStep(facts: Facts, part: Part, id: string, command: string): RunLayer {
  const { manifest, manager, tree, workspaces, keepsPackages } = facts;
  const step = appStep(facts, part, id);
  const files = installFiles(facts);
  const manifests = new Set(['package.json', ...workspaces.map(({ folder }) => `${folder}/package.json`)]);
  // They run over the source, above (lifecycle.ts).
  const laterScripts = lifecycleScripts(manifest, manager.kind).length > 0;
  const script = laterScripts ? `${withoutScripts}${command}` : command;
  return {
    ...step,
    key: [
      manager.kind,
      manifest.installFacts,
      ...workspaces.map((one) =>
        JSON.stringify([one.folder, one.manifest.name, one.manifest.version, one.manifest.installFacts]),
      ),
      ...files.filter((path) => !manifests.has(path)).map((path) => `${path} ${tree.entries.get(path)?.oid}`),
      ...(keepsPackages ? [] : [tree.oid]),
      command,
    ],
    files,
    script,
    // CI: pnpm must not ask.
    env: { ...step.env, ...(keepsPackages ? compiledManager(manager.label) : {}), CI: 'true' },
    leaveOut: [...step.leaveOut, ...(laterScripts ? ['package.json'] : [])],
  };
}

/** The package managers' own code, compiled: a fifth of an install that finds its packages in the cache. */
function compiledManager(label: string): Record<string, string> {
  return { NODE_COMPILE_CACHE: `/cache/${label}/compiled` };
}

/** The copy of package.json that an install sees, without its scripts. */
const withoutScripts = `node -e '
const fs = require("node:fs");
const manifest = JSON.parse(fs.readFileSync("package.json", "utf8").replace(/^\\uFEFF/, ""));
delete manifest.scripts;
fs.writeFileSync("package.json", JSON.stringify(manifest));
'
`;

function silent(layer: RunLayer): RunLayer {
  const { cachedTitle: _, ...rest } = layer;
  return { ...rest, quiet: true };
}

function outputStep(facts: Facts, part: Part, build: string, packages: string[]): RunLayer {
  const { cachedTitle: _, explain: __, ...common } = appStep(facts, part, 'output');
  const caches = buildCaches(facts, part);
  const script = withCaches(build, caches);
  const failed = part.buildScript ?? facts.root.buildScript;
  return {
    ...common,
    title: 'Build',
    step: 'build',
    on: [...common.on, ...packages, 'source'],
    key: [script, JSON.stringify(caches.env)],
    script,
    env: { ...common.env, ...caches.env },
    vars: 'all',
    caches: { ...common.caches, ...caches.folders },
    leaveOut: [...common.leaveOut, ...caches.paths, ...buildScratch(part), ...addedPackages(part)],
    explain: explainBuild(failed),
  };
}

/** As Heroku does it: everything in one container over the source, then pruned. Keyed by the tree. */
function wholeBuild(facts: Facts, part: Part): PlannedLayer {
  const { commands, manifest, keepsDevelopment } = facts;
  const { scripts } = manifest;
  const build = buildScript(facts, part, { lifecycle: false });
  const prunes = !keepsDevelopment && commands.prune !== undefined;
  const caches = buildCaches(facts, part);
  const lines = [
    ...(scripts['heroku-prebuild'] ? [`${commands.run} heroku-prebuild`] : []),
    commands.all,
    ...(build === undefined ? [] : [withCaches(build, caches)]),
    ...(prunes ? [`CI=true ${commands.prune}`] : []),
    ...(scripts['heroku-cleanup'] ? [`${commands.run} heroku-cleanup`] : []),
  ];
  const step = appStep(facts, part, 'dependencies');
  return {
    ...step,
    title: `Installing dependencies${build === undefined ? '' : ' and building'} (${commands.shown})`,
    on: [...step.on, 'source'],
    key: [...lines, JSON.stringify(caches.env)],
    script: lines.join('\n'),
    env: { ...step.env, ...(build === undefined ? {} : caches.env) },
    vars: 'all',
    caches: build === undefined ? step.caches : { ...step.caches, ...caches.folders },
    leaveOut: [...step.leaveOut, ...caches.paths, ...buildScratch(part)],
  };
}

/** Files an install reads, other than packages of the tree itself. */
function installFiles({ tree, manager, workspaces }: Facts): string[] {
  const single = [
    'package.json',
    '.npmrc',
    '.yarnrc',
    '.yarnrc.yml',
    '.pnpmfile.cjs',
    '.pnpmfile.mjs',
    'pnpm-workspace.yaml',
    'bunfig.toml',
  ];
  const wanted = [
    ...single,
    ...(manager.lockfile ? [manager.lockfile] : []),
    ...workspaces.flatMap(({ folder }) => [`${folder}/package.json`, `${folder}/.npmrc`]),
  ];
  const folders = ['.yarn/releases/', '.yarn/plugins/', '.yarn/patches/', 'patches/'];
  const inFolders = [...tree.entries.keys()].filter(
    (path) => folders.some((folder) => path.startsWith(folder)) || /\.patch$/.test(path),
  );
  const there = [...new Set([...wanted.filter((path) => tree.has(path)), ...inFolders])];
  return there.filter((path) => tree.entries.get(path)?.kind !== 'symlink').sort();
}
