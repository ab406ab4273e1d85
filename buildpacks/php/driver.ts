// The PHP driver: composer.json or plain .php files → layers: Debian's PHP with the extensions that are asked for, packages of composer.lock, and
// nginx (or Apache, when the app names it) in front of php-fpm. See README.md.
import { readFileSync } from 'node:fs';
import { packagesLayer } from '@berth/builder/plan/packages-layer.ts';
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { explainComposer } from './explain.ts';
import { type Facts, readFacts } from './facts.ts';
import { stackPhp } from './php-version.ts';

export const phpDriver: Driver = {
  name: 'php',
  version: 1,
  detect,
  plan,
  // Laravel and Symfony compile their assets with Node.
  goesWith: async (tree) =>
    tree.has('package.json') && tree.has('composer.json') && (tree.has('artisan') || tree.has('bin/console'))
      ? ['node']
      : [],
};

const marks = ['composer.json', 'index.php', 'public/index.php', 'web/index.php', 'htdocs/index.php'];

async function detect(tree: SourceTree): Promise<string | undefined> {
  return marks.some((path) => tree.has(path)) ? 'PHP' : undefined;
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree);
  const commands = await declaredCommands(tree, context);
  const hasApache = /\bheroku-php-apache2\b/.test(commands);
  const { composer, framework, documentRoot } = facts;
  return {
    language: framework === undefined ? 'PHP' : `PHP (${framework})`,
    details: describeChoices(facts, hasApache),
    warnings:
      framework === 'Laravel' && context.vars['APP_KEY'] === undefined
        ? ['Laravel needs a key: berth config:set APP_KEY="$(php artisan key:generate --show)"']
        : [],
    layers: [
      runtimeLayer(facts, hasApache),
      serverLayer(),
      ...(composer ? [composerLayer(facts)] : []),
      ...(composer && separates(composer) ? [dependenciesLayer(facts)] : []),
      { kind: 'source', id: 'source', inImage: true, leaveOut: [] },
      ...(composer ? [outputLayer(facts, /\bvendor\/bin\/heroku-php-/.test(commands))] : []),
    ],
    defaultProcessTypes: {
      web: documentRoot === '' ? 'heroku-php-nginx' : `heroku-php-nginx ${documentRoot}/`,
    },
    env: imageEnv(facts),
    path: ['/opt/berth/php/bin', ...(composer ? ['/app/vendor/bin'] : [])],
    varsMatter: composer !== undefined,
  };
}

async function declaredCommands(tree: SourceTree, { manifest }: PlanContext): Promise<string> {
  if (manifest) return Object.values(manifest.processTypes).join('\n');
  return (await tree.readText('Procfile', 256 * 1024)) ?? '';
}

function separates({ hasPackages, fromTree }: NonNullable<Facts['composer']>): boolean {
  return hasPackages && !fromTree;
}

function describeChoices(
  { askedBy, composer, extensions, documentRoot }: Facts,
  hasApache: boolean,
): string[] {
  return [
    `PHP ${stackPhp.line} (${askedBy ?? "the stack's"})`,
    `extensions: ${extensions.join(', ')}`,
    composer?.hasPackages ? `${composer.packages.size} packages of composer.lock` : 'no packages',
    `${hasApache ? 'Apache' : 'nginx'} and php-fpm serve ${documentRoot === '' ? 'the root' : `${documentRoot}/`}`,
  ];
}

function imageEnv({ framework, hasFrontController }: Facts): Record<string, string> {
  return {
    // Debian's own folder, then this one.
    PHP_INI_SCAN_DIR: ':/opt/berth/php/conf.d',
    ...(hasFrontController ? { BERTH_PHP_FRONT_CONTROLLER: '1' } : {}),
    ...(framework === 'Laravel' ? { APP_ENV: 'production', LOG_CHANNEL: 'stderr' } : {}),
    ...(framework === 'Symfony' ? { APP_ENV: 'prod', APP_DEBUG: '0' } : {}),
  };
}

function runtimeLayer({ extensions }: Facts, hasApache: boolean): RunLayer {
  return packagesLayer({
    id: 'runtime',
    title: `PHP ${stackPhp.line}, php-fpm and ${hasApache ? 'Apache' : 'nginx'}`,
    packages: [
      `php${stackPhp.line}-cli`,
      `php${stackPhp.line}-fpm`,
      // php-fpm wants one of two; the other is all of systemd.
      'systemd-standalone-tmpfiles',
      ...(hasApache ? ['apache2-bin'] : []),
      'nginx',
      ...extensions.map((name) => `php${stackPhp.line}-${name}`),
    ],
  });
}

/** Uploads as large as nginx lets in; what a config var says is seen by $_ENV too. */
const phpSettings = `expose_php = Off
variables_order = "EGPCS"
log_errors = On
display_errors = Off
memory_limit = 128M
post_max_size = 100M
upload_max_filesize = 100M
opcache.memory_consumption = 64
opcache.interned_strings_buffer = 8
`;

function serverLayer(): PlannedLayer {
  const content = readFileSync(new URL('serve.sh', import.meta.url), 'utf8');
  const bin = ['heroku-php-nginx', 'heroku-php-apache2'].map((name) => ({
    path: `opt/berth/php/bin/${name}`,
    mode: 0o755,
    content,
  }));
  return {
    kind: 'files',
    id: 'server',
    inImage: true,
    files: [...bin, { path: 'opt/berth/php/conf.d/berth.ini', mode: 0o644, content: phpSettings }],
  };
}

/**
 * Debian's Composer with PHP and the app's extensions: what Composer's steps run on, in place of the runtime and never in an image. Composer's own
 * dependencies bring parts of the runtime along, and two layers with packages in common do not lie on each other.
 */
function composerLayer({ extensions }: Facts): RunLayer {
  return packagesLayer({
    id: 'composer',
    title: 'Composer',
    packages: [
      'composer',
      'git',
      'unzip',
      `php${stackPhp.line}-cli`,
      ...extensions.map((name) => `php${stackPhp.line}-${name}`),
    ],
    inImage: false,
  });
}

const composerEnv: Record<string, string> = {
  COMPOSER_HOME: '/tmp/composer',
  COMPOSER_CACHE_DIR: '/cache/composer',
  COMPOSER_NO_INTERACTION: '1',
  COMPOSER_MEMORY_LIMIT: '-1',
  COMPOSER_MIRROR_PATH_REPOS: '1',
  PHP_INI_SCAN_DIR: ':/opt/berth/php/conf.d',
};

/** A mirror of Packagist takes its place. A token for private repositories is the config var COMPOSER_AUTH, which Composer itself reads. */
const prelude = `
mkdir -p /tmp/composer
if [ -n "$COMPOSER_MIRROR_URL" ]; then
  php -r 'echo json_encode(["repositories" => ["packagist.org" => ["type" => "composer", "url" => getenv("COMPOSER_MIRROR_URL")]]]);' > /tmp/composer/config.json
fi
`;

const dependenciesScript = `${prelude}
composer install --no-dev --prefer-dist --no-scripts --no-plugins --no-autoloader --no-progress --no-ansi
`;

const outputScript = `${prelude}
composer install --no-dev --prefer-dist --optimize-autoloader --no-progress --no-ansi
[ -z "$COMPILE" ] || composer run-script --no-dev --no-ansi compile
if [ -n "$WRAPPERS" ]; then
  mkdir -p vendor/bin
  for name in heroku-php-nginx heroku-php-apache2; do ln -sfn "/opt/berth/php/bin/$name" "vendor/bin/$name"; done
fi
`;

function dependenciesLayer({ tree, extensions }: Facts): RunLayer {
  const files = ['composer.json', 'composer.lock', 'symfony.lock', 'auth.json'].filter((path) =>
    tree.has(path),
  );
  return {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: 'Installing packages (composer.lock)',
    cachedTitle: 'Restoring packages (unchanged)',
    step: 'dependencies',
    on: ['composer', 'server'],
    key: [...extensions, ...files.map((path) => `${path} ${tree.entries.get(path)?.oid}`)],
    scope: 'app',
    files,
    stack: 'run',
    user: 'app',
    script: dependenciesScript,
    env: composerEnv,
    path: [],
    vars: 'install',
    caches: { composer: '/cache/composer' },
    keep: '/app',
    leaveOut: ['.cache'],
    quiet: false,
    explain: explainComposer,
  };
}

function outputLayer(facts: Facts, wrappers: boolean): RunLayer {
  const { composer } = facts;
  const below = composer && separates(composer) ? ['dependencies'] : [];
  return {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: 'Autoloader and scripts (composer install)',
    step: 'build',
    on: ['composer', 'server', ...below, 'source'],
    key: [],
    scope: 'app',
    files: [],
    stack: 'run',
    user: 'app',
    script: outputScript,
    env: {
      ...imageEnv(facts),
      ...composerEnv,
      COMPILE: composer?.compiles === true ? '1' : '',
      WRAPPERS: wrappers ? '1' : '',
    },
    path: ['/app/vendor/bin'],
    vars: 'all',
    caches: { composer: '/cache/composer' },
    keep: '/app',
    leaveOut: ['.cache'],
    quiet: false,
    explain: explainComposer,
  };
}
