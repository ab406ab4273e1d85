// Everything a plan needs to know about one PHP app, read once from its tree. Used by driver.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { extensionPackages } from './extensions.ts';
import { checkPhpVersion } from './php-version.ts';

export interface Facts {
  tree: SourceTree;
  /** Where the PHP version is asked for. */
  askedBy: string | undefined;
  /** Package names after "php8.4-". */
  extensions: readonly string[];
  /** Undefined: an app without composer.json. */
  composer: Composer | undefined;
  /** What is served, without slashes at the ends; empty: the root. */
  documentRoot: string;
  /** Every request for no file goes to index.php. */
  hasFrontController: boolean;
  framework: 'Laravel' | 'Symfony' | undefined;
}

export interface Composer {
  hasPackages: boolean;
  packages: ReadonlySet<string>;
  /** The install reads more of the tree than the two files: path repositories, autoloaded folders are not among them. */
  fromTree: boolean;
  /** `composer run-script compile` is there. */
  compiles: boolean;
}

const maxBytes = 16 * 1024 * 1024;

export async function readFacts(tree: SourceTree): Promise<Facts> {
  const manifest = await readJson(tree, 'composer.json');
  const lock = await readJson(tree, 'composer.lock');
  const required = record(manifest?.['require']);
  const packages = [...array(lock?.['packages'])].map(record);
  const names = new Set(packages.flatMap(({ name }) => (typeof name === 'string' ? [name] : [])));
  const needsLock = Object.keys(required).some((name) => name.includes('/'));
  if (needsLock && lock === undefined)
    throw new AppError('invalid', 'there is no composer.lock beside composer.json', {
      hint: 'run "composer update", commit composer.lock and push again',
    });
  const asked = new Map<string, string>();
  for (const { name, require } of packages)
    for (const extension of extensionsOf(require)) asked.set(extension, `a package, ${String(name)}`);
  for (const extension of extensionsOf(required)) asked.set(extension, 'composer.json');
  // A polyfill is there so that the extension need not be.
  for (const name of names) {
    const polyfilled = /^symfony\/polyfill-(\w+)$/.exec(name)?.[1];
    if (polyfilled !== undefined && required[`ext-${polyfilled}`] === undefined) asked.delete(polyfilled);
  }
  const wish = wishOf(manifest, required);
  checkPhpVersion(wish);
  const framework = frameworkOf(tree, names);
  const documentRoot = rootOf(tree);
  return {
    tree,
    askedBy: wish?.from,
    extensions: extensionPackages(asked),
    composer: manifest && composerOf(manifest, names, needsLock),
    documentRoot,
    hasFrontController:
      framework !== undefined || (documentRoot !== '' && tree.has(`${documentRoot}/index.php`)),
    framework,
  };
}

function composerOf(
  manifest: Record<string, unknown>,
  packages: ReadonlySet<string>,
  hasPackages: boolean,
): Composer {
  const scripts = record(manifest['scripts']);
  const repositories = [
    ...array(manifest['repositories']),
    ...Object.values(record(manifest['repositories'])),
  ].map(record);
  const autoload = record(manifest['autoload']);
  return {
    hasPackages,
    packages,
    // The app's own classes are mapped in the install where their files have to be read for it.
    fromTree:
      repositories.some(({ type }) => type === 'path' || type === 'artifact') ||
      autoload['classmap'] !== undefined ||
      autoload['files'] !== undefined,
    compiles: scripts['compile'] !== undefined,
  };
}

function wishOf(
  manifest: Record<string, unknown> | undefined,
  required: Record<string, unknown>,
): { raw: string; from: string } | undefined {
  const raw = required['php'] ?? required['php-64bit'];
  if (typeof raw === 'string') return { raw, from: '"require.php" of composer.json' };
  const platform = record(record(manifest?.['config'])['platform'])['php'];
  return typeof platform === 'string'
    ? { raw: platform, from: '"config.platform.php" of composer.json' }
    : undefined;
}

function frameworkOf(tree: SourceTree, packages: ReadonlySet<string>): Facts['framework'] {
  if (tree.has('artisan') && packages.has('laravel/framework')) return 'Laravel';
  if (tree.has('bin/console') && packages.has('symfony/framework-bundle')) return 'Symfony';
  return undefined;
}

function rootOf(tree: SourceTree): string {
  return ['public', 'web', 'htdocs', 'www'].find((folder) => tree.has(`${folder}/index.php`)) ?? '';
}

function extensionsOf(requirements: unknown): string[] {
  return Object.keys(record(requirements)).flatMap((name) =>
    name.startsWith('ext-') ? [name.slice(4)] : [],
  );
}

async function readJson(tree: SourceTree, path: string): Promise<Record<string, unknown> | undefined> {
  const text = await tree.readText(path, maxBytes);
  if (text === undefined) return undefined;
  try {
    return record(JSON.parse(text));
  } catch (cause) {
    throw new AppError('invalid', `${path} does not parse: ${cause instanceof Error ? cause.message : ''}`, {
      hint: 'run "composer validate"',
      cause,
    });
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function array(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
