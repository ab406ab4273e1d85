// The Ruby driver: Gemfile.lock or a plain script → layers. Gems lie in /app/vendor/bundle, keyed by what names them; Rails and other apps with an
// asset pipeline are compiled over the source. See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { explainAssets, explainInstall, needsCompilers } from './explain.ts';
import { type Facts, isRailsApp, readFacts } from './facts.ts';
import type { Gems } from './gemfile.ts';
import { headersLayer, runtimeLayers } from './runtime-layers.ts';
import { processTypes } from './start-command.ts';

export const rubyDriver: Driver = {
  name: 'ruby',
  version: 1,
  detect,
  plan,
  // Rails with a package.json needs Node for its assets, and often when it runs.
  goesWith: async (tree) =>
    tree.has('package.json') && tree.has('Gemfile') && isRailsApp(tree) ? ['node'] : [],
};

/** Marks of other languages: beside them a script or config.ru is a tool's. */
const othersMarks = [
  'package.json',
  'go.mod',
  'Cargo.toml',
  'composer.json',
  'pom.xml',
  'pyproject.toml',
  'requirements.txt',
];

async function detect(tree: SourceTree): Promise<string | undefined> {
  if (tree.has('Gemfile')) return isRailsApp(tree) ? 'Ruby on Rails' : 'Ruby';
  if (othersMarks.some((path) => tree.has(path))) return undefined;
  return ['config.ru', 'app.rb', 'server.rb', 'main.rb'].some((path) => tree.has(path)) ? 'Ruby' : undefined;
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree);
  const { gems, ruby, names, isRails } = facts;
  const defaults = processTypes({ tree, gems: names, hasGemfile: gems !== undefined, isRails });
  if (defaults['web'] === undefined && !isDeclared(tree, context) && !context.isPart)
    throw new AppError('invalid', 'nothing says how to start the app', {
      hint: 'add a Procfile, for example "web: bundle exec puma -p $PORT"',
    });
  const source: PlannedLayer = { kind: 'source', id: 'source', inImage: true, leaveOut: ['.bundle'] };
  const install = gems ? [headersLayer(ruby), installLayer(facts, gems)] : [];
  return {
    language: isRails ? 'Ruby on Rails' : 'Ruby',
    details: describeChoices(facts),
    warnings: [...ruby.warnings, ...(isRails ? missingSecret(context) : [])],
    layers: [
      ...runtimeLayers(facts),
      ...(gems?.fromTree ? [source, ...install] : [...install, source]),
      ...(facts.hasAssets ? [assetsLayer(facts)] : []),
    ],
    defaultProcessTypes: defaults,
    env: imageEnv(facts),
    path: gems ? [`/app/vendor/bundle/ruby/${ruby.line}.0/bin`] : [],
    varsMatter: gems !== undefined,
  };
}

/** Rails does not start in production without; whoever has credentials in the commit sets their key, which does too. */
function missingSecret({ vars, manifest }: PlanContext): string[] {
  const names = ['SECRET_KEY_BASE', 'RAILS_MASTER_KEY'];
  if (names.some((name) => vars[name] !== undefined || manifest?.vars[name] !== undefined)) return [];
  return ['Rails needs a secret: berth config:set SECRET_KEY_BASE="$(openssl rand -hex 64)"'];
}

function isDeclared(tree: SourceTree, { manifest }: PlanContext): boolean {
  if (!manifest) return tree.has('Procfile');
  return manifest.processTypes['web'] !== undefined || !manifest.keepsDefaults;
}

function describeChoices({ ruby, gems, hasAssets, isRails }: Facts): string[] {
  const from = ruby.askedBy ?? 'the stack\'s; ask for another in ".ruby-version"';
  const locked = gems?.bundledWith;
  return [
    `Ruby ${ruby.line} (${ruby.suite === '' ? from : `${from}; Debian ${ruby.suite}`})`,
    ...(gems
      ? [
          `${gems.locked.size} gems of Gemfile.lock${gems.isVendored ? ', from vendor/cache' : ''}${locked === undefined ? '' : `; written by bundler ${locked}, read by the stack's`}`,
        ]
      : ['no gems']),
    ...(isRails && !hasAssets
      ? ['no assets:precompile: there is no Rakefile, or compiled assets are in the commit']
      : []),
  ];
}

const bundleEnv: Record<string, string> = {
  BUNDLE_PATH: '/app/vendor/bundle',
  BUNDLE_DEPLOYMENT: '1',
  // Settings in the tree (.bundle/config) are those of somebody's own machine.
  BUNDLE_APP_CONFIG: '/opt/berth/bundle',
  // The bundler of the stack reads what others have written; fetching theirs at each start would be one more thing to fail.
  BUNDLE_VERSION: 'system',
};

function imageEnv({ gems, ruby, isRails }: Facts): Record<string, string> {
  return {
    LANG: 'C.UTF-8',
    RACK_ENV: 'production',
    APP_ENV: 'production',
    ...(gems
      ? {
          ...bundleEnv,
          BUNDLE_WITHOUT: 'development:test',
          // Gems' own programs start without "bundle exec" too; the empty end stands for Ruby's own gems.
          GEM_PATH: `/app/vendor/bundle/ruby/${ruby.line}.0:`,
        }
      : {}),
    ...(isRails
      ? {
          RAILS_ENV: 'production',
          RAILS_LOG_TO_STDOUT: 'enabled',
          RAILS_SERVE_STATIC_FILES: 'enabled',
        }
      : {}),
    MALLOC_ARENA_MAX: '2',
  };
}

/** Config vars BUNDLE_WITHOUT and the like are those of the app; gems' logs and archives have times and paths of the build. */
const installScript = `
export BUNDLE_WITHOUT="\${BUNDLE_WITHOUT-development:test}"
if [ -n "$VENDORED" ] && bundle install --local > /tmp/local 2>&1; then
  cat /tmp/local
elif [ -n "$VENDORED" ] && ! grep -q 'Could not find' /tmp/local; then
  cat /tmp/local
  exit 1
else
  bundle install
fi
cd vendor/bundle/ruby/* 2>/dev/null || exit 0
rm -rf cache bundler/gems/*/.git
find extensions -name gem_make.out -delete 2>/dev/null || true
find . -name mkmf.log -delete
find gems -path '*/ext/*' \\( -name '*.o' -o -name Makefile \\) -delete 2>/dev/null || true
`;

function belowInstall(facts: Facts): string[] {
  return runtimeLayers(facts).map(({ id }) => id);
}

function installLayer(facts: Facts, gems: Gems): RunLayer {
  const { tree, ruby } = facts;
  const env = {
    ...bundleEnv,
    BUNDLE_USER_HOME: '/tmp/bundler',
    // As options, bundler 2.3 (Ruby 3.1) would write them down in its settings.
    BUNDLE_JOBS: '4',
    BUNDLE_RETRY: '3',
    BUNDLE_USER_CACHE: '/cache/bundler',
    BUNDLE_GLOBAL_GEM_CACHE: 'true',
    BUNDLE_NO_PRUNE: 'true',
    BUNDLE_SILENCE_ROOT_WARNING: 'true',
    VENDORED: gems.isVendored ? '1' : '',
  };
  const content = gems.files.map((path) => `${path} ${tree.entries.get(path)?.oid}`);
  const withTree = gems.fromTree ? ['source'] : [];
  return {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: `Installing gems (Gemfile.lock${gems.isVendored ? ', vendor/cache' : ''})`,
    cachedTitle: 'Restoring gems (unchanged)',
    step: 'dependencies',
    on: [...belowInstall(facts), ...(gems.usesGit ? ['headers'] : []), ...withTree],
    key: [JSON.stringify(env), ruby.line, ruby.suite, ...content],
    scope: 'app',
    files: gems.fromTree ? [] : [...gems.files],
    stack: gems.usesGit ? 'build' : 'run',
    ...(gems.usesGit ? {} : { withCompilers: { when: needsCompilers, on: ['headers'], env: {} } }),
    user: 'app',
    script: installScript,
    env,
    path: [],
    vars: 'install',
    caches: { bundler: '/cache/bundler' },
    keep: '/app',
    leaveOut: ['.bundle', '.cache'],
    quiet: false,
    explain: explainInstall,
  };
}

/** As on Heroku: the task is run where there is one. A compiled asset's cache is the app's own and outlives the build. */
const assetsScript = `
[ -n "$SECRET_KEY_BASE" ] || export SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=only-while-assets-are-compiled
if ! $RAKE -P > /tmp/tasks 2> /tmp/errors; then
  cat /tmp/errors
  exit 1
fi
if ! grep -qx 'rake assets:precompile' /tmp/tasks; then
  echo 'no task assets:precompile'
  exit 0
fi
if [ -d /cache/assets/kept ]; then mkdir -p tmp/cache && cp -a /cache/assets/kept tmp/cache/assets; fi
$RAKE assets:precompile
if [ -d tmp/cache/assets ]; then
  rm -rf /cache/assets/next
  cp -a tmp/cache/assets /cache/assets/next
  rm -rf /cache/assets/kept
  mv /cache/assets/next /cache/assets/kept
fi
`;

function assetsLayer(facts: Facts): RunLayer {
  const { isRails, names, gems } = facts;
  const adapter = names.has('pg')
    ? 'postgres'
    : names.has('mysql2')
      ? 'mysql2'
      : names.has('trilogy')
        ? 'trilogy'
        : '';
  const withTree = gems?.fromTree ? ['source', 'dependencies'] : ['dependencies', 'source'];
  return {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: 'Compiling assets (rake assets:precompile)',
    step: 'assets',
    on: [...belowInstall(facts), ...withTree],
    key: [],
    scope: 'app',
    files: [],
    stack: 'run',
    user: 'app',
    script: `${adapter === '' ? '' : databaseScript}${assetsScript}`,
    env: {
      ...imageEnv(facts),
      ...(isRails ? {} : { RAILS_ENV: 'production' }),
      DATABASE_ADAPTER: adapter,
      // An app whose bundle has no rake uses the stack's.
      RAKE: names.has('rake') ? 'bundle exec rake' : 'rake',
    },
    path: [`/app/vendor/bundle/ruby/${facts.ruby.line}.0/bin`],
    vars: 'all',
    caches: { 'ruby-assets': '/cache/assets' },
    keep: '/app',
    leaveOut: ['.bundle', '.cache', 'log', 'tmp'],
    quiet: false,
    explain: explainAssets,
  };
}

/** Rails reads the address while it starts; nothing listens there. */
const databaseScript = `
[ -n "$DATABASE_URL" ] || export DATABASE_URL="$DATABASE_ADAPTER://none@127.0.0.1/none"
`;
