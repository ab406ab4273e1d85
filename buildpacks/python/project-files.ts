// pyproject.toml and Pipfile of a tree, as far as a build needs them. Read once; used by facts.ts and python-version.ts.
import { plain } from '@berth/builder/source/located.ts';
import { parseToml } from '@berth/builder/source/parse-toml.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { normalName, requirementNames } from './requirements.ts';

type TomlTable = Record<string, unknown>;

export interface ProjectFiles {
  pyproject: Pyproject | undefined;
  pipfile: { names: Set<string>; fromTree: boolean } | undefined;
  pythonWish: { raw: string; from: string } | undefined;
}

export interface Pyproject {
  /** It has a [project] table, or Poetry's own. */
  isProject: boolean;
  isPoetrys: boolean;
  name: string | undefined;
  /** Direct dependencies. */
  names: Set<string>;
  hasDependencies: boolean;
  /** Fields that only the source can tell. */
  dynamic: string[];
  hasBuildSystem: boolean;
  /** Commands or entry points that exist only when the app itself is installed. */
  hasScripts: boolean;
  /** Workspace members or packages by path: the install needs the source. */
  fromTree: boolean;
  /** The text of everything that is not the app's own version or description. */
  installFacts: string;
}

const maxFileBytes = 1024 * 1024;

export async function readProjectFiles(tree: SourceTree): Promise<ProjectFiles> {
  const pyprojectText = await tree.readText('pyproject.toml', maxFileBytes);
  const pipfileText = await tree.readText('Pipfile', maxFileBytes);
  const pyproject = pyprojectText === undefined ? undefined : readTable('pyproject.toml', pyprojectText);
  const pipfile = pipfileText === undefined ? undefined : readTable('Pipfile', pipfileText);
  return {
    pyproject: pyproject && pyprojectFacts(pyproject),
    pipfile: pipfile && {
      names: tableNames(tableAt(pipfile, 'packages')),
      fromTree: hasPaths(tableAt(pipfile, 'packages')),
    },
    pythonWish: (pipfile && pipfileWish(pipfile)) ?? (pyproject && pyprojectWish(pyproject)),
  };
}

function pyprojectFacts(file: TomlTable): Pyproject {
  const project = tableAt(file, 'project');
  const poetry = tableAt(file, 'tool', 'poetry');
  const uv = tableAt(file, 'tool', 'uv');
  const declared = textsOf(project['dependencies'], '"dependencies" in pyproject.toml');
  const poetryDependencies = { ...tableAt(poetry, 'dependencies') };
  delete poetryDependencies['python'];
  const names = new Set([...declared.flatMap(requirementNames), ...tableNames(poetryDependencies)]);
  const { version: _, description: __, ...installed } = project;
  const { version: ___, description: ____, ...poetryInstalled } = poetry;
  return {
    isProject: Object.keys(project).length > 0 || Object.keys(poetry).length > 0,
    isPoetrys: Object.keys(poetry).length > 0 && Object.keys(uv).length === 0,
    name: textAt(project, 'name') ?? textAt(poetry, 'name'),
    names,
    hasDependencies: names.size > 0 || textsOf(project['dynamic'], '').includes('dependencies'),
    dynamic: textsOf(project['dynamic'], '"dynamic" in pyproject.toml'),
    hasBuildSystem:
      textAt(tableAt(file, 'build-system'), 'build-backend') !== undefined || uv['package'] === true,
    hasScripts: [project, poetry].some((table) =>
      ['scripts', 'gui-scripts', 'entry-points', 'plugins'].some((key) => isTable(table[key])),
    ),
    fromTree:
      isTable(uv['workspace']) ||
      hasPaths(tableAt(uv, 'sources')) ||
      hasPaths(poetryDependencies) ||
      declared.some((line) => /@\s*file:/.test(line)),
    installFacts: JSON.stringify([
      installed,
      file['build-system'],
      file['dependency-groups'],
      uv,
      poetryInstalled,
    ]),
  };
}

function pyprojectWish(file: TomlTable): ProjectFiles['pythonWish'] {
  const required = textAt(tableAt(file, 'project'), 'requires-python');
  if (required) return { raw: required, from: '"requires-python" of pyproject.toml' };
  const poetrys = textAt(tableAt(file, 'tool', 'poetry', 'dependencies'), 'python');
  return poetrys ? { raw: poetrys, from: '"python" of pyproject.toml' } : undefined;
}

function pipfileWish(file: TomlTable): ProjectFiles['pythonWish'] {
  const requires = tableAt(file, 'requires');
  for (const name of ['python_full_version', 'python_version']) {
    const raw = textAt(requires, name);
    if (raw) return { raw, from: `"${name}" of Pipfile` };
  }
  return undefined;
}

function readTable(file: string, text: string): TomlTable {
  const table = plain(parseToml(file, text));
  return isTable(table) ? table : {};
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tableAt(table: TomlTable, ...path: string[]): TomlTable {
  let at: unknown = table;
  for (const key of path) at = isTable(at) ? at[key] : undefined;
  return isTable(at) ? at : {};
}

function textAt(table: TomlTable, key: string): string | undefined {
  const value = table[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textsOf(value: unknown, what: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value))
    throw new AppError('invalid', `${what} is not a list`, { hint: 'write it as ["name>=1", …]' });
  return value.filter((item) => typeof item === 'string');
}

function tableNames(table: TomlTable): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of Object.entries(table)) {
    names.add(normalName(name));
    const extras = isTable(value) && Array.isArray(value['extras']) ? value['extras'] : [];
    for (const extra of extras)
      if (typeof extra === 'string') names.add(`${normalName(name)}[${extra.toLowerCase()}]`);
  }
  return names;
}

function hasPaths(table: TomlTable): boolean {
  return Object.values(table).some((value) => {
    const choices = Array.isArray(value) ? value : [value];
    return choices.some((item) => isTable(item) && ('path' in item || 'workspace' in item));
  });
}
