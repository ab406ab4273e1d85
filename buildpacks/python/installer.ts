// Which way an app's packages are installed: uv, Poetry, Pipenv from their lock files, requirement files, or the project's own metadata.
// Whatever says what to install, uv does it. Used by facts.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { ProjectFiles } from './project-files.ts';
import { readRequirements } from './requirements.ts';

export type InstallerKind = 'uv' | 'poetry' | 'pipenv' | 'requirements' | 'project' | 'none';

export interface Installer {
  kind: InstallerKind;
  /** What the user reads: "uv.lock". */
  shown: string;
  /** Files of the tree the install reads. */
  files: string[];
  /** The first of them, for requirement files. */
  requirements: string;
  /** Texts of requirement files, to name a line of them. */
  texts: ReadonlyMap<string, string>;
  /** Direct dependencies by normal name. */
  names: Set<string>;
  /** The install needs the source. */
  fromTree: boolean;
  /** The install needs git or compilers. */
  fromSource: boolean;
  /** Every version is fixed: what has no wheel is built with compilers, never without. */
  pinned: boolean;
  warnings: string[];
}

/** Where requirements lie when there is no requirements.txt: what production needs, first. */
const otherRequirements = [
  'requirements/production.txt',
  'requirements/prod.txt',
  'requirements/requirements.txt',
  'requirements/base.txt',
  'requirements/main.txt',
];

export async function chooseInstaller(tree: SourceTree, project: ProjectFiles): Promise<Installer> {
  const { pyproject, pipfile } = project;
  refuseMissingLocks(tree, project);
  const requirements = ['requirements.txt', ...otherRequirements].find((path) => tree.has(path));
  const found: InstallerKind[] = [
    ...(tree.has('uv.lock') && pyproject ? (['uv'] as const) : []),
    ...(tree.has('poetry.lock') && pyproject ? (['poetry'] as const) : []),
    ...(tree.has('Pipfile.lock') && pipfile ? (['pipenv'] as const) : []),
    ...(requirements ? (['requirements'] as const) : []),
  ];
  const kind = found[0] ?? fallback(tree, project);
  const warnings =
    found.length > 1 ? [`${found.map(shownFile).join(' and ')}: ${shownFile(kind)} is used`] : [];
  const common = {
    kind,
    shown: shownFile(kind),
    requirements: '',
    texts: new Map<string, string>(),
    fromSource: false,
    pinned: kind === 'uv' || kind === 'poetry' || kind === 'pipenv',
    warnings,
  };
  const own = (files: string[]) => files.filter((path) => tree.has(path));
  if (kind === 'uv' || kind === 'poetry')
    return {
      ...common,
      files: own(['pyproject.toml', shownFile(kind), 'uv.toml', 'poetry.toml']),
      names: pyproject?.names ?? new Set(),
      fromTree: (pyproject?.fromTree ?? false) || (kind === 'uv' && (pyproject?.dynamic.length ?? 0) > 0),
    };
  if (kind === 'pipenv')
    return {
      ...common,
      files: own(['Pipfile', 'Pipfile.lock']),
      names: pipfile?.names ?? new Set(),
      fromTree: pipfile?.fromTree ?? false,
    };
  if (kind === 'requirements') {
    const file = requirements ?? 'requirements.txt';
    const { texts, names, fromTree, fromSource, pinned } = await readRequirements(tree, file);
    return {
      ...common,
      shown: file,
      requirements: file,
      files: [...texts.keys()].sort(),
      texts,
      names,
      fromTree,
      fromSource,
      pinned,
    };
  }
  const hasSetup = tree.has('setup.py') || tree.has('setup.cfg');
  return {
    ...common,
    shown: pyproject?.isProject ? 'pyproject.toml' : 'setup.py',
    files: own(['pyproject.toml', 'uv.toml']),
    names: pyproject?.names ?? new Set(),
    fromTree:
      (pyproject?.fromTree ?? false) ||
      (pyproject?.dynamic.includes('dependencies') ?? false) ||
      (hasSetup && !pyproject?.isProject),
    warnings:
      kind === 'project' && pyproject?.hasDependencies
        ? [
            'no lock file: versions are chosen when pyproject.toml changes; commit the one that "uv lock" writes',
          ]
        : [],
  };
}

function fallback(tree: SourceTree, { pyproject }: ProjectFiles): InstallerKind {
  if (pyproject?.isProject && (pyproject.hasDependencies || pyproject.hasScripts)) return 'project';
  return tree.has('setup.py') ? 'project' : 'none';
}

function shownFile(kind: InstallerKind): string {
  const files: Record<InstallerKind, string> = {
    uv: 'uv.lock',
    poetry: 'poetry.lock',
    pipenv: 'Pipfile.lock',
    requirements: 'requirements.txt',
    project: 'pyproject.toml',
    none: '',
  };
  return files[kind];
}

/** Without its lock file neither can say which versions the pusher meant. */
function refuseMissingLocks(tree: SourceTree, { pyproject, pipfile }: ProjectFiles): void {
  const others = ['uv.lock', 'requirements.txt'].some((path) => tree.has(path));
  if (pipfile && !tree.has('Pipfile.lock') && !tree.has('poetry.lock') && !others)
    throw new AppError('invalid', 'Pipfile.lock is missing', {
      hint: 'run "pipenv lock", commit Pipfile.lock and push again',
    });
  if (pyproject?.isPoetrys && !tree.has('poetry.lock') && !tree.has('Pipfile.lock') && !others)
    throw new AppError('invalid', 'poetry.lock is missing', {
      hint: 'run "poetry lock", commit poetry.lock and push again',
    });
  if (!pyproject && (tree.has('uv.lock') || tree.has('poetry.lock')))
    throw new AppError(
      'invalid',
      `${tree.has('uv.lock') ? 'uv.lock' : 'poetry.lock'} has no pyproject.toml beside it`,
      {
        hint: 'commit pyproject.toml and push again',
      },
    );
}
