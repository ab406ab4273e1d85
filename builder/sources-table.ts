// The operator's sources table (BERTH_SOURCES, TOML): mirrors, CA bundle, git, FROM map, environment of builds. Read once at the builder's start.
// A mistake is `invalid` and names the line. Must never take an address with a login: values of the table reach builds of every app.
import { readFileSync } from 'node:fs';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { closest } from '@berth/kit/suggest.ts';
import { isStandInKind, standInKinds } from './dockerfile/stand-in-kinds.ts';
import { entriesOf, type Located, type LocatedEntry, problemAt, textOf } from './source/located.ts';
import { parseToml } from './source/parse-toml.ts';

export const standInModes = ['unreachable', 'always', 'never'] as const;
export type StandInMode = (typeof standInModes)[number];

export interface SourcesTable {
  /** Variables of builds: [registries] by the names that tools know, then [env]. */
  env: Record<string, string>;
  /** PEM file that builds trust, in the place of the machine's. */
  ca?: string;
  /** Addresses of git by what they stand for. */
  git: Record<string, string>;
  /** Patterns of image names to `berth:KIND` or another image, in the file's order. */
  from: { pattern: string; image: string }[];
  standIns: StandInMode;
}

export const emptyTable: SourcesTable = { env: {}, git: {}, from: [], standIns: 'unreachable' };

const urlPattern = /^https?:\/\/[^\s"'\\$`]+$/;
/** The variables by which the tools of a language find their registry. */
const registries: Readonly<Record<string, { variables: readonly string[]; pattern: RegExp; like: string }>> =
  {
    npm: {
      variables: ['NPM_CONFIG_REGISTRY', 'YARN_NPM_REGISTRY_SERVER', 'YARN_REGISTRY'],
      pattern: urlPattern,
      like: 'https://npm.example.org/',
    },
    node: { variables: ['NODEJS_ORG_MIRROR'], pattern: urlPattern, like: 'https://mirror.example.org/node' },
    pypi: {
      variables: ['PIP_INDEX_URL', 'UV_DEFAULT_INDEX'],
      pattern: urlPattern,
      like: 'https://pypi.example.org/simple',
    },
    python: {
      variables: ['UV_PYTHON_INSTALL_MIRROR'],
      pattern: /^(https?|file):\/\/[^\s"'\\$`]+$/,
      like: 'https://mirror.example.org/python-build-standalone',
    },
    goproxy: {
      variables: ['GOPROXY'],
      pattern: /^(https?:\/\/|direct$|off$)[^\s"'\\$`]*$/,
      like: 'https://goproxy.example.org',
    },
    gosumdb: { variables: ['GOSUMDB'], pattern: /^[\w.+/:= -]+$/, like: 'off' },
    cargo: {
      variables: ['CARGO_CRATES_IO_MIRROR'],
      pattern: /^sparse\+https?:\/\/[^\s"'\\$`]+$/,
      like: 'sparse+https://crates.example.org/index/',
    },
    rustup: { variables: ['RUSTUP_DIST_SERVER'], pattern: urlPattern, like: 'https://rust.example.org' },
    maven: { variables: ['MAVEN_MIRROR_URL'], pattern: urlPattern, like: 'https://maven.example.org/maven2' },
    gradle: {
      variables: ['GRADLE_DISTRIBUTIONS_URL'],
      pattern: urlPattern,
      like: 'https://mirror.example.org/gradle',
    },
  };
const keys = ['ca', 'stand_ins', 'env', 'registries', 'git', 'from'];
/** A login in an address, with or without a password. */
const withLogin = /\/\/[^/?#\s]*@/;
/** What would break the tools of a build. */
const ownOfBuilds = /^(PATH|HOME|SHELL|PWD|IFS|ENV|BASH_ENV|LD_.*|GIT_.*)$/;

/** Without the default file there is no table; a file that was named must be there. */
export function readSourcesFile(path: string, mustExist: boolean): SourcesTable {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT' && !mustExist) return emptyTable;
    throw new AppError('invalid', `the sources table "${path}" cannot be read`, {
      hint: 'BERTH_SOURCES names it',
      cause,
    });
  }
  return parseSources(path, text, (file) => readFileSync(file, 'utf8'));
}

export function parseSources(file: string, text: string, readFile: (path: string) => string): SourcesTable {
  const root = parseToml(file, text);
  const table: SourcesTable = { ...emptyTable, env: {}, git: {}, from: [] };
  for (const [key, entry] of entriesOf(root)) {
    if (!keys.includes(key)) throw unknownKey(file, key, entry.line, keys);
    if (key === 'ca') table.ca = bundle(file, entry, readFile);
    else if (key === 'stand_ins') table.standIns = mode(file, entry);
    else if (entry.value.kind !== 'table')
      throw problemAt(file, entry.line, `"${key}" is no table: write [${key}]`);
  }
  const section = (name: string) => entriesOf(root.entries.get(name)?.value);
  for (const [name, entry] of section('registries')) Object.assign(table.env, registry(file, name, entry));
  for (const [name, entry] of section('env')) {
    if (!/^[A-Za-z_]\w*$/.test(name) || ownOfBuilds.test(name))
      throw problemAt(file, entry.line, `"${name}" cannot be a variable of builds`);
    table.env[name] = address(file, name, entry);
  }
  for (const [from, entry] of section('git')) table.git[from] = gitAddress(file, from, entry);
  for (const [pattern, entry] of section('from'))
    table.from.push({ pattern, image: fromImage(file, pattern, entry) });
  return table;
}

function bundle(file: string, entry: LocatedEntry, readFile: (path: string) => string): string {
  const path = oneLine(file, 'ca', entry);
  if (!/^(\/[\w.@+-]+)+$/.test(path))
    throw problemAt(file, entry.line, `ca = "${path}" is not a plain absolute path`);
  let text: string;
  try {
    text = readFile(path);
  } catch {
    throw problemAt(file, entry.line, `the CA bundle "${path}" cannot be read`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw problemAt(file, entry.line, `"${path}" holds no certificate in PEM form`);
  return path;
}

function mode(file: string, entry: LocatedEntry): StandInMode {
  const text = oneLine(file, 'stand_ins', entry);
  const found = standInModes.find((one) => one === text);
  if (found) return found;
  throw problemAt(file, entry.line, `stand_ins = "${text}" is none of ${standInModes.join(', ')}`);
}

function registry(file: string, name: string, entry: LocatedEntry): Record<string, string> {
  const known = Object.hasOwn(registries, name) ? registries[name] : undefined;
  if (name === 'debian')
    throw problemAt(
      file,
      entry.line,
      'the Debian mirror is not set here',
      "stacks are made from the mirror in the machine's /etc/apt, and keep it",
    );
  if (!known) throw unknownKey(file, name, entry.line, Object.keys(registries));
  const value = address(file, name, entry);
  if (!known.pattern.test(value))
    throw problemAt(file, entry.line, `${name} = "${value}" is no address`, `for example "${known.like}"`);
  return Object.fromEntries(known.variables.map((variable) => [variable, value]));
}

/** They end up in a file that git reads: nothing that would need quoting there. */
function gitAddress(file: string, from: string, entry: LocatedEntry): string {
  const to = address(file, from, entry);
  for (const url of [from, to])
    if (!/^([a-z+]+:\/\/[\w.:/~+-]*|git@[\w.-]+:[\w./-]*)$/.test(url))
      throw problemAt(
        file,
        entry.line,
        `"${url}" is no address that git knows`,
        'for example "https://github.com/" = "https://git.example.org/github/"',
      );
  return to;
}

function fromImage(file: string, pattern: string, entry: LocatedEntry): string {
  const image = oneLine(file, pattern, entry);
  if (!/^[a-z0-9][\w./:*@-]*$/.test(pattern))
    throw problemAt(file, entry.line, `"${pattern}" is no image name`);
  const kind = /^berth:(.*)$/.exec(image)?.[1];
  if (kind !== undefined && !isStandInKind(kind))
    throw problemAt(
      file,
      entry.line,
      `Berth has no stand-in "${image}"`,
      `it has ${standInKinds.map((one) => `berth:${one}`).join(', ')}`,
    );
  if (!/^[a-z0-9][\w./:@-]*$/.test(image)) throw problemAt(file, entry.line, `"${image}" is no image name`);
  return image;
}

function address(file: string, name: string, entry: LocatedEntry): string {
  const value = oneLine(file, name, entry);
  if (withLogin.test(value))
    throw problemAt(
      file,
      entry.line,
      `the address of "${name}" has a login in it`,
      'every build would see it: let the mirror serve this host without one',
    );
  return value;
}

function oneLine(file: string, name: string, { line, value }: { line: number; value: Located }): string {
  const text = textOf(value);
  if (text === undefined || text === '' || /[\r\n\0]/.test(text))
    throw problemAt(file, line, `"${name}" is no text of one line`, 'write it in quotes');
  return text;
}

function unknownKey(file: string, key: string, line: number, known: readonly string[]): AppError {
  const near = closest(key, known);
  const meant = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return problemAt(file, line, `"${key}" is no key here${meant}`, `there are ${known.join(', ')}`);
}
