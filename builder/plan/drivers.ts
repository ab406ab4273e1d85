// The drivers in the order they are asked: the first that knows the tree builds it. A new language is a folder in buildpacks/ and a line here.
// Order: ruby, php, java, python, go, rust, node, static, shell. A Rails or Django app often has a package.json; a Node app has no Gemfile.
import { AppError } from '@berth/kit/errors.ts';
import { goDriver } from '../../buildpacks/go/driver.ts';
import { javaDriver } from '../../buildpacks/java/driver.ts';
import { nodeDriver } from '../../buildpacks/node/driver.ts';
import { phpDriver } from '../../buildpacks/php/driver.ts';
import { pythonDriver } from '../../buildpacks/python/driver.ts';
import { rubyDriver } from '../../buildpacks/ruby/driver.ts';
import { rustDriver } from '../../buildpacks/rust/driver.ts';
import { shellDriver } from '../../buildpacks/shell/driver.ts';
import { staticDriver } from '../../buildpacks/static/driver.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { refuseOtherLanguage } from './other-languages.ts';
import type { Driver } from './plan.ts';
import { watchTree } from './watch-tree.ts';

export const drivers: readonly Driver[] = [
  rubyDriver,
  phpDriver,
  javaDriver,
  pythonDriver,
  goDriver,
  rustDriver,
  nodeDriver,
  staticDriver,
  shellDriver,
];

/** By the driver's name: what the user is told when nothing is found. */
const looksFor: Readonly<Record<string, { files: readonly string[]; language: string }>> = {
  ruby: { files: ['Gemfile', 'config.ru', 'app.rb'], language: 'Ruby' },
  php: { files: ['composer.json', 'index.php', 'public/index.php'], language: 'PHP' },
  java: { files: ['pom.xml', 'build.gradle'], language: 'Java' },
  python: { files: ['requirements.txt', 'pyproject.toml', 'Pipfile', 'uv.lock'], language: 'Python' },
  go: { files: ['go.mod', 'go.work'], language: 'Go' },
  rust: { files: ['Cargo.toml'], language: 'Rust' },
  node: { files: ['package.json'], language: 'Node.js' },
  static: { files: ['index.html'], language: 'static site' },
  shell: { files: ['Procfile', 'start.sh'], language: 'any command' },
};

export interface FoundDriver {
  driver: Driver;
  label: string;
  /** "package.json at the root" */
  why: string;
}

/** Does this driver know the tree, and by what? */
export async function askDriver(driver: Driver, tree: SourceTree): Promise<FoundDriver | undefined> {
  const { watched, firstFound } = watchTree(tree);
  const label = await driver.detect(watched);
  if (label === undefined) return undefined;
  const found = firstFound();
  return { driver, label, why: found === undefined ? 'the files at the root' : whereIs(found) };
}

function whereIs(path: string): string {
  return path.includes('/') ? path : `${path} at the root`;
}

export async function detectDriver(tree: SourceTree): Promise<FoundDriver> {
  for (const driver of drivers) {
    // A Procfile alone builds nothing: beside the source of a language it would start what is not there.
    if (driver === shellDriver) refuseOtherLanguage(tree);
    const found = await askDriver(driver, tree);
    if (found) return found;
  }
  if (tree.entries.size === 0)
    throw new AppError('invalid', 'the commit has no files', { hint: 'commit your app and push again' });
  throw new AppError('invalid', 'no recognisable app in the commit', { hint: hintFor(tree) });
}

/** What a driver would take for its own, for a message. */
export function marksOf(driver: Driver): string {
  const { files = [], language = driver.name } = looksFor[driver.name] ?? {};
  return files.length === 0 ? language : `${files.join(', ')} (${language})`;
}

/** Most often the app is there, one folder down. */
function hintFor(tree: SourceTree): string {
  const marks = drivers.map(({ name }) => {
    const { files: [first] = [], language = name } = looksFor[name] ?? {};
    return first === undefined ? language : `${first} (${language})`;
  });
  const looked = `looked for ${marks.join(', ')} and Dockerfile at the root`;
  const files = new Set(['Dockerfile', ...drivers.flatMap(({ name }) => looksFor[name]?.files ?? [])]);
  const nested = [...tree.entries.keys()]
    .filter((path) => path.includes('/') && files.has(path.split('/').at(-1) ?? ''))
    .filter((path) => !/(^|\/)(node_modules|vendor|tests?|examples?|fixtures)\//.test(path))
    .sort((one, other) => one.split('/').length - other.split('/').length)[0];
  if (nested === undefined) return looked;
  const folder = nested.split('/').slice(0, -1).join('/');
  return `${looked}; there is "${nested}": berth.toml with root = "${folder}" below [build], or "berth config:set PROJECT_PATH=${folder}", builds that folder`;
}
