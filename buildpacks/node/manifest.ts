// Reads package.json: only the fields a plan looks at, checked. Errors say the line, because the pusher sees nothing else.

import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface Manifest {
  name: string | undefined;
  main: string | undefined;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  engines: Record<string, string>;
  packageManager: string | undefined;
  hasWorkspaces: boolean;
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

export async function readManifest(tree: SourceTree): Promise<Manifest> {
  const text = (await tree.readText('package.json', 4 * 1024 * 1024)) ?? '';
  const json = parseJson(text, 'package.json');
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw invalid('package.json is not an object', 'begin it with "{" and end it with "}"');
  const fields = json as Record<string, unknown>;
  return {
    name: optionalText(fields, 'name'),
    main: optionalText(fields, 'main'),
    scripts: textMap(fields, 'scripts'),
    dependencies: textMap(fields, 'dependencies'),
    devDependencies: textMap(fields, 'devDependencies'),
    optionalDependencies: textMap(fields, 'optionalDependencies'),
    peerDependencies: textMap(fields, 'peerDependencies'),
    engines: textMap(fields, 'engines'),
    packageManager: optionalText(fields, 'packageManager'),
    hasWorkspaces: fields['workspaces'] !== undefined,
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

function invalid(message: string, hint: string): AppError {
  return new AppError('invalid', message, { hint });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
