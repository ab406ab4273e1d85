// Reads package.json: only the fields a plan looks at, checked. Errors say the line, because the pusher sees nothing else.

import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface Manifest {
  name: string | undefined;
  version: string | undefined;
  main: string | undefined;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  engines: Record<string, string>;
  volta: Record<string, string>;
  /** Versions by the tool's name; the value "" is a tool without one. */
  devEngines: Record<'runtime' | 'packageManager', Record<string, string>>;
  packageManager: string | undefined;
  /** Globs of folders; undefined: none are declared here. */
  workspaces: string[] | undefined;
  /** Commands it gives to others: they are linked when it is installed. */
  hasCommands: boolean;
  /** Heroku's word for folders that are kept between builds. */
  cacheDirectories: string[];
  /** The file without the fields that cannot change what is installed: part of the dependencies' key. */
  installFacts: string;
}

/** Fields that say nothing about node_modules. `scripts` is handled apart: only lifecycle scripts matter. */
const irrelevantFields = new Set([
  'name',
  'version',
  'description',
  'keywords',
  'homepage',
  'bugs',
  'license',
  'author',
  'contributors',
  'repository',
  'scripts',
  'main',
  'exports',
  'browser',
  'jest',
  'eslintConfig',
  'prettier',
  'babel',
  'funding',
]);

export async function readManifest(tree: SourceTree, path = 'package.json'): Promise<Manifest> {
  const text = (await tree.readText(path, 4 * 1024 * 1024)) ?? '';
  const json = parseJson(text, path);
  if (!isRecord(json)) throw invalid(`${path} is not an object`, 'begin it with "{" and end it with "}"');
  return manifestOf(json);
}

function manifestOf(fields: Record<string, unknown>): Manifest {
  const devEngines = isRecord(fields['devEngines']) ? fields['devEngines'] : {};
  return {
    name: optionalText(fields, 'name'),
    version: optionalText(fields, 'version'),
    main: optionalText(fields, 'main'),
    scripts: textMap(fields, 'scripts'),
    dependencies: textMap(fields, 'dependencies'),
    devDependencies: textMap(fields, 'devDependencies'),
    optionalDependencies: textMap(fields, 'optionalDependencies'),
    peerDependencies: textMap(fields, 'peerDependencies'),
    engines: textMap(fields, 'engines'),
    volta: isRecord(fields['volta']) ? textMap(fields, 'volta') : {},
    devEngines: {
      runtime: toolsOf(devEngines['runtime']),
      packageManager: toolsOf(devEngines['packageManager']),
    },
    packageManager: optionalText(fields, 'packageManager'),
    workspaces: workspaceGlobs(fields['workspaces']),
    hasCommands: fields['bin'] !== undefined || isRecord(fields['directories']),
    cacheDirectories: textList(fields['cacheDirectories'] ?? fields['cache_directories']),
    installFacts: JSON.stringify(
      Object.entries(fields)
        .filter(([name]) => !irrelevantFields.has(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  };
}

/** JSON.parse with a one-line error that says file, line and column. */
export function parseJson(text: string, file: string): unknown {
  if (text.trim() === '') throw invalid(`${file} is empty`, 'fill it or remove it');
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const position = /at position (\d+)/.exec(reason)?.[1];
    const before = position === undefined ? text.trimEnd() : text.slice(0, Number(position));
    const line = before.split('\n').length;
    const column = before.length - before.lastIndexOf('\n');
    const what = reason.split(/ in JSON| \(line|, \.\.\./)[0] ?? reason;
    throw invalid(
      `${file} does not parse: line ${line}, column ${column}: ${lowerFirst(what)}`,
      `check ${file} with "node -p 'require(\\"./${file}\\")'"`,
    );
  }
}

function optionalText(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

function textMap(fields: Record<string, unknown>, name: string): Record<string, string> {
  const value = fields[name];
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(`"${name}" in package.json is not an object`, `write "${name}": { … }`);
  const map: Record<string, string> = {};
  for (const [key, item] of Object.entries(value)) if (typeof item === 'string') map[key] = item;
  return map;
}

/** `{ name, version }` or a list of them. */
function toolsOf(value: unknown): Record<string, string> {
  const tools: Record<string, string> = {};
  for (const tool of Array.isArray(value) ? value : [value])
    if (isRecord(tool) && typeof tool['name'] === 'string')
      tools[tool['name']] ??= typeof tool['version'] === 'string' ? tool['version'].trim() : '';
  return tools;
}

/** A list, or yarn's and bun's object with the list in `packages`. */
function workspaceGlobs(value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  return textList(isRecord(value) ? value['packages'] : value);
}

function textList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string, hint: string): AppError {
  return new AppError('invalid', message, { hint });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
