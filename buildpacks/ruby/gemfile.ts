// What Gemfile and Gemfile.lock say: gems and where they come from, the Ruby and the bundler they were resolved with. Used by facts.ts.
// Pure but for reading; a Gemfile is Ruby and never run here, only its plain lines are read.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface Gems {
  /** Versions by name, of every gem of the lockfile. */
  locked: ReadonlyMap<string, string>;
  /** "2.5.4"; undefined in a lockfile of bundler 1. */
  bundledWith: string | undefined;
  /** Platforms that the lockfile was resolved for: "ruby", "x86_64-linux". */
  platforms: readonly string[];
  usesGit: boolean;
  /** Files of the tree that an install reads; with `fromTree` it may read any. */
  files: readonly string[];
  fromTree: boolean;
  /** There are gems in vendor/cache: a registry is asked only when they are not all of them. */
  isVendored: boolean;
}

const maxBytes = 4 * 1024 * 1024;
/** Words of a Gemfile that reach for other files of the tree. */
const reachesOut = /\b(eval_gemfile|require_relative|load|instance_eval|gemspec|File|Dir|IO|__dir__|path)\b/;

export async function readGemfile(tree: SourceTree): Promise<string | undefined> {
  return tree.readText('Gemfile', maxBytes);
}

export async function readGems(tree: SourceTree, gemfile: string): Promise<Gems> {
  const lock = await tree.readText('Gemfile.lock', maxBytes);
  if (lock === undefined)
    throw new AppError('invalid', 'there is no Gemfile.lock beside the Gemfile', {
      hint: 'run "bundle install", commit Gemfile.lock (and see that .gitignore does not name it)',
    });
  if (/^(<{7}|>{7}|={7})/m.test(lock))
    throw new AppError('invalid', 'Gemfile.lock has conflict marks of a merge', {
      hint: 'run "bundle install" and commit Gemfile.lock',
    });
  const sections = readSections(lock);
  const locked = new Map<string, string>();
  for (const { name, lines } of sections)
    if (name === 'GEM' || name === 'GIT' || name === 'PATH' || name === 'PLUGIN SOURCE')
      for (const line of lines) {
        const [, gem, version] = /^ {4}([\w.-]+) \(([^)]+)\)$/.exec(line) ?? [];
        if (gem && version) locked.set(gem, plainVersion(version));
      }
  const section = (name: string) => sections.find((one) => one.name === name)?.lines ?? [];
  const vendored = [...tree.entries.keys()].filter((path) => path.startsWith('vendor/cache/'));
  const fromTree = sections.some(({ name }) => name === 'PATH') || reachesOut.test(withoutComments(gemfile));
  return {
    locked,
    bundledWith: section('BUNDLED WITH')[0]?.trim(),
    platforms: section('PLATFORMS').map((line) => line.trim()),
    usesGit: sections.some(({ name }) => name === 'GIT'),
    files: ['Gemfile', 'Gemfile.lock', '.ruby-version', '.tool-versions']
      .filter((path) => tree.has(path))
      .concat(vendored),
    fromTree,
    isVendored: vendored.some((path) => path.endsWith('.gem')),
  };
}

interface Section {
  name: string;
  lines: string[];
}

function readSections(lock: string): Section[] {
  const sections: Section[] = [];
  for (const line of lock.replaceAll('\r\n', '\n').split('\n')) {
    if (/^[A-Z]/.test(line)) sections.push({ name: line.trim(), lines: [] });
    else if (line.trim() !== '') sections.at(-1)?.lines.push(line);
  }
  return sections;
}

/** "1.18.8-x86_64-linux-gnu" without its platform. */
function plainVersion(version: string): string {
  return version.split('-')[0] ?? version;
}

function withoutComments(gemfile: string): string {
  // `file: ".ruby-version"` is a file that the install sees anyway.
  return gemfile
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/\bfile:\s*(["'])\.(?:ruby-version|tool-versions)\1/g, '');
}
