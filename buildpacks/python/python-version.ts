// Which Python an app gets: what its files ask for, the stack's own if that will do, else a mirror of standalone builds when the operator names
// one, else another Debian suite's. Used by facts.ts; what is chosen is installed by runtime-layers.ts.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { debianPythons, type PythonRelease } from './debian-pythons.ts';
import type { ProjectFiles } from './project-files.ts';
import { compareReleases, parseRange, releaseOf, type VersionRange } from './version-range.ts';

export interface PythonChoice {
  /** "3.13.5"; of a standalone build what was asked for. */
  version: string;
  /** "3.13" */
  line: string;
  provider: 'stack' | 'standalone' | 'debian';
  /** Debian's suite; empty for the others. */
  suite: string;
  /** Where the wish stands, for the user; undefined: nobody asked. */
  askedBy: string | undefined;
  warnings: string[];
}

interface Wish {
  raw: string;
  from: string;
  range: VersionRange;
  /** A full version: its line will do when the patch cannot be had. */
  exact: string | undefined;
}

/** What Debian 13 calls python3; fixed for the life of the suite. */
const stackPython: PythonRelease = { version: '3.13.5', suite: '' };
/** The variable that names a mirror of python-build-standalone, as uv reads it. */
export const mirrorVariable = 'UV_PYTHON_INSTALL_MIRROR';
/** Lines that standalone builds exist of, newest first. */
const standaloneLines = ['3.14', '3.13', '3.12', '3.11', '3.10', '3.9'];

export async function choosePython(
  tree: SourceTree,
  project: ProjectFiles,
  context: PlanContext,
): Promise<PythonChoice> {
  const wish = await readWish(tree, project);
  if (!wish) return choice(stackPython, 'stack', undefined, []);
  if (wish.range(stackPython.version) && isAsAsked(stackPython.version, wish))
    return choice(stackPython, 'stack', wish.from, []);
  if (context.sources?.[mirrorVariable] !== undefined) {
    const version = wish.exact ?? standaloneLines.find((line) => wish.range(`${line}.99`));
    if (version) return choice({ version, suite: '' }, 'standalone', wish.from, []);
  }
  if (wish.range(stackPython.version))
    return choice(stackPython, 'stack', wish.from, [otherPatch(wish, stackPython.version)]);
  const known = await context.listVersions(debianPythons.list).then(debianPythons.parse);
  const found = bestOf(known.filter(({ version }) => wish.range(version)));
  if (!found) throw notThere(wish, [stackPython, ...known]);
  const warnings = isAsAsked(found.version, wish) ? [] : [otherPatch(wish, found.version)];
  return choice(found, 'debian', wish.from, warnings);
}

function choice(
  { version, suite }: PythonRelease,
  provider: PythonChoice['provider'],
  askedBy: string | undefined,
  warnings: string[],
): PythonChoice {
  return { version, line: lineOf(version), provider, suite, askedBy, warnings };
}

/** Of the line next to the stack's: the newest lines are those that few packages have wheels for. */
function bestOf(releases: readonly PythonRelease[]): PythonRelease | undefined {
  const own = minorOf(stackPython.version);
  const away = ({ version }: PythonRelease) => Math.abs(minorOf(version) - own);
  const nearest = Math.min(...releases.map(away));
  return releases.filter((release) => away(release) === nearest).at(-1);
}

function minorOf(version: string): number {
  return releaseOf(version)[1] ?? 0;
}

function lineOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function isAsAsked(version: string, wish: Wish): boolean {
  return wish.exact === undefined || wish.exact === version;
}

function otherPatch(wish: Wish, version: string): string {
  return `Python ${version} instead of ${wish.exact} (${wish.from}): it is the patch version of ${lineOf(version)} that can be had`;
}

function notThere(wish: Wish, known: readonly PythonRelease[]): AppError {
  const wanted = releaseOf(/\d+(?:\.\d+)*/.exec(wish.raw)?.[0] ?? '3');
  const distance = (version: string) => {
    const [major = 0, minor = 0] = releaseOf(version);
    return Math.abs(major - (wanted[0] ?? 3)) * 1000 + Math.abs(minor - (wanted[1] ?? 0));
  };
  const lines = [...new Set(known.map(({ version }) => lineOf(version)))];
  const nearest = lines
    .sort((a, b) => compareReleases(releaseOf(b), releaseOf(a)))
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, 4);
  return new AppError('invalid', `there is no Python "${wish.raw}" (${wish.from})`, {
    hint: `nearest: ${nearest.join(', ')}; with a mirror of standalone builds (${mirrorVariable}) the operator adds all others`,
  });
}

async function readWish(tree: SourceTree, project: ProjectFiles): Promise<Wish | undefined> {
  for (const [file, pattern] of versionFiles) {
    const text = await tree.readText(file, 4096);
    const raw = text
      ?.split('\n')
      .map((line) => line.replace(/#.*/, '').trim())
      .map((line) => pattern.exec(line)?.[1]?.trim())
      .find((word) => word !== undefined && word !== '');
    if (raw) return toWish(raw, file);
  }
  const declared = project.pythonWish;
  return declared ? toWish(declared.raw, declared.from) : undefined;
}

const versionFiles: readonly (readonly [string, RegExp])[] = [
  ['.python-version', /^(.+)$/],
  ['runtime.txt', /^(.+)$/],
  ['.tool-versions', /^python\s+(\S+)/],
];

function toWish(raw: string, from: string): Wish {
  const text = raw.replace(/^(?:python|cpython)-?@?/i, '');
  const range = parseRange(text);
  if (!range)
    throw new AppError('invalid', `"${raw.slice(0, 60)}" in ${from} is not a Python version`, {
      hint: 'write a version, for example "3.13"',
    });
  const exact = /^(?:={2,3})?\s*(\d+\.\d+\.\d+)$/.exec(text)?.[1];
  if (exact === undefined) return { raw, from, range, exact };
  // Patch versions replace each other: the line is what is asked for.
  return { raw, from, range: parseRange(`${lineOf(exact)}.*`) ?? range, exact };
}
