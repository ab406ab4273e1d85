// The Node.js driver: package.json → layers. Two ways: in layers (dependencies keyed by the lockfile alone), or as a whole, when installing
// needs the source (lifecycle scripts of the app itself, workspaces, `file:` packages). See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { serveCommand, serverFiles } from '../static/driver.ts';
import { explainInstall } from './explain.ts';
import { type Facts, mayCompile, readFacts } from './facts.ts';
import type { PackageManager } from './package-manager.ts';
import { gypSettings, nodePath, quietNpm, runtimeLayers } from './runtime-layers.ts';
import { startCommand } from './start-command.ts';

export const nodeDriver: Driver = {
  name: 'node',
  version: 1,
  detect: async (tree) => (tree.has('package.json') ? 'Node.js' : undefined),
  plan,
};

/** Scripts that npm runs at an install of the app itself: they may read any file of the source. */
const lifecycleScripts = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
  'heroku-prebuild',
  'heroku-cleanup',
];

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree, context);
  const needsSource =
    lifecycleScripts.some((name) => facts.manifest.scripts[name]) ||
    facts.lock.fromTree ||
    tree.has('binding.gyp');
  const start = startCommand(tree, facts.manifest, facts.manager);
  const servesOutput = start === undefined && facts.buildScript !== undefined && context.isPart !== true;
  if (!start && !servesOutput && context.isPart !== true && !tree.has('Procfile'))
    throw new AppError('invalid', 'nothing says how to start the app', {
      hint: 'add a "start" script to package.json or a Procfile with "web: node server.js"',
    });
  const checkedIn = tree.hasFolder('node_modules') && facts.hasPackages;
  const source: PlannedLayer = {
    kind: 'source',
    id: 'source',
    inImage: true,
    leaveOut: checkedIn ? ['node_modules'] : [],
  };
  const built = needsSource ? [source, ...wholeBuild(facts)] : layeredBuild(facts, source);
  const server: PlannedLayer[] = servesOutput
    ? [{ kind: 'files', id: 'server', inImage: true, files: serverFiles() }]
    : [];
  return {
    language: 'Node.js',
    details: describeChoices(facts),
    warnings: [
      ...(facts.hasPackages ? facts.manager.warnings : []),
      ...(checkedIn ? ['node_modules is in the commit and left out: add it to .gitignore'] : []),
      ...(servesOutput
        ? ['no start script: what the build leaves in dist, build, out or public is served as a static site']
        : []),
    ],
    layers: [...runtimeLayers(facts), ...server, ...built],
    defaultProcessTypes: start === undefined && context.isPart === true ? {} : { web: start ?? serveCommand },
    env: { NODE_ENV: 'production' },
    path: nodePath,
    varsMatter: facts.buildScript !== undefined || facts.hasPackages || needsSource,
  };
}

/** Settings of each manager; the others would complain about names they do not know. */
const managerEnv: Record<PackageManager['kind'], Record<string, string>> = {
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
};

function appStep(facts: Facts, id: string): RunLayer {
  const { manager } = facts;
  const compiles = mayCompile(facts);
  return {
    kind: 'run',
    id,
    inImage: true,
    title: `Installing dependencies (${facts.commands.shown})`,
    cachedTitle: 'Restoring dependencies (unchanged)',
    step: 'dependencies',
    on: ['runtime', ...(manager.provider ? ['manager'] : []), ...(compiles ? ['headers'] : [])],
    key: [manager.kind],
    scope: 'app',
    files: [],
    stack: compiles ? 'build' : 'run',
    user: 'app',
    script: '',
    env: {
      ...quietNpm,
      ...managerEnv[manager.kind],
      ...(compiles ? gypSettings(facts) : {}),
      NODE_ENV: 'production',
    },
    path: nodePath,
    vars: compiles ? 'all' : 'install',
    caches: { [manager.label]: `/cache/${manager.label}` },
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

/** Dependencies, source and build output each in a layer of their own. */
function layeredBuild(facts: Facts, source: PlannedLayer): PlannedLayer[] {
  const { commands, buildScript, hasPackages, manager } = facts;
  const files = hasPackages ? installFiles(facts) : [];
  const key = [
    manager.kind,
    facts.manifest.installFacts,
    ...files
      .filter((path) => path !== 'package.json')
      .map((path) => `${path} ${facts.tree.entries.get(path)?.oid}`),
  ];
  const install = (id: string, command: string): RunLayer => {
    const step = appStep(facts, id);
    // CI: pnpm must not ask.
    return { ...step, key: [...key, command], script: command, files, env: { ...step.env, CI: 'true' } };
  };
  const hasDevelopment = Object.keys(facts.manifest.devDependencies).length > 0;
  const buildsWithMore =
    buildScript !== undefined && hasDevelopment && hasPackages && !facts.keepsDevelopment;
  const layers: PlannedLayer[] = [];
  if (buildsWithMore)
    layers.push({
      ...install('all-dependencies', commands.all),
      inImage: false,
      step: 'build dependencies',
    });
  if (hasPackages) {
    const production = install('dependencies', facts.keepsDevelopment ? commands.all : commands.production);
    // After a full install this one only repeats what the pusher has seen.
    layers.push(buildsWithMore ? { ...quiet(production), after: ['all-dependencies'] } : production);
  }
  layers.push(source);
  if (buildScript)
    layers.push(
      buildStep(
        facts,
        buildScript,
        buildsWithMore ? ['all-dependencies'] : hasPackages ? ['dependencies'] : [],
      ),
    );
  return layers;
}

/** What the app runs on, and who asked for it. */
function describeChoices({ node, manager }: Facts): string[] {
  const from = node.askedBy ?? 'the platform\'s; ask for another in "engines.node" of package.json';
  const lines = [`Node.js ${node.version} (${from})`];
  if (manager.provider) lines.push(`${manager.label} ${manager.provider.version}`);
  return lines;
}

function quiet(layer: RunLayer): RunLayer {
  const { cachedTitle: _, ...rest } = layer;
  return { ...rest, quiet: true };
}

function buildStep(facts: Facts, script: string, packages: string[]): RunLayer {
  const { cachedTitle: _, explain: __, ...common } = appStep(facts, 'output');
  return {
    ...common,
    title: 'Build',
    step: 'build',
    on: [...common.on, ...packages, 'source'],
    key: [script, facts.commands.run],
    stack: common.stack,
    script: `${facts.commands.run} ${script}`,
    vars: 'all',
    caches: packages.length > 0 ? { ...common.caches, build: '/app/node_modules/.cache' } : common.caches,
    explain: () => ({ message: `the "${script}" script failed`, hint: 'its own message is above' }),
  };
}

/** As Heroku does it: everything in one container over the source, then pruned. Keyed by the tree. */
function wholeBuild(facts: Facts): PlannedLayer[] {
  const { commands, buildScript, manifest, keepsDevelopment } = facts;
  const scripts = manifest.scripts;
  const prunes = !keepsDevelopment && commands.prune !== undefined;
  const lines = [
    ...(scripts['heroku-prebuild'] ? [`${commands.run} heroku-prebuild`] : []),
    commands.all,
    ...(buildScript ? [`${commands.run} ${buildScript}`] : []),
    ...(prunes ? [`CI=true ${commands.prune}`] : []),
    ...(scripts['heroku-cleanup'] ? [`${commands.run} heroku-cleanup`] : []),
  ];
  const step = appStep(facts, 'dependencies');
  return [
    {
      ...step,
      title: `Installing dependencies${buildScript ? ' and building' : ''} (${commands.shown})`,
      on: [...step.on, 'source'],
      key: lines,
      script: lines.join('\n'),
      vars: 'all',
    },
  ];
}

/** Files an install reads, other than packages of the tree itself. */
function installFiles({ tree, manager }: Facts): string[] {
  const single = ['package.json', '.npmrc', '.yarnrc', '.yarnrc.yml', '.pnpmfile.cjs', 'pnpm-workspace.yaml'];
  const folders = ['.yarn/releases/', '.yarn/plugins/', '.yarn/patches/', 'patches/'];
  const wanted = [...single, ...(manager.lockfile ? [manager.lockfile] : [])];
  const inFolders = [...tree.entries.keys()].filter((path) =>
    folders.some((folder) => path.startsWith(folder)),
  );
  return [...wanted.filter((path) => tree.has(path)), ...inFolders].sort();
}
