// Which Ruby an app gets: what its Gemfile asks for, else its version files, else the stack's own; another line from another suite of Debian.
// Used by facts.ts; what is chosen is installed by runtime-layers.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface RubyRelease {
  /** What its suite has at least: Debian's updates raise the last number. */
  version: string;
  /** "3.3" */
  line: string;
  /** Debian's suite; empty: the stack's own. */
  suite: string;
}

export interface RubyChoice extends RubyRelease {
  /** Where the wish stands, for the user; undefined: nobody asked. */
  askedBy: string | undefined;
  warnings: string[];
}

/** Fixed for the life of a suite; the newest first. */
export const rubies: readonly RubyRelease[] = [
  { version: '3.3.13', line: '3.3', suite: '' },
  { version: '3.1.2', line: '3.1', suite: 'bookworm' },
];

interface Wish {
  from: string;
  /** As written, for the user. */
  raw: string;
  clauses: readonly Clause[];
}

interface Clause {
  operator: string;
  release: readonly number[];
}

export async function chooseRuby(tree: SourceTree, gemfile: string | undefined): Promise<RubyChoice> {
  const wish = await readWish(tree, gemfile);
  if (!wish) return { ...newest(), askedBy: undefined, warnings: [] };
  const found =
    rubies.find(({ version }) => wish.clauses.every((clause) => holds(version, clause))) ??
    rubies.find(({ line }) => wish.clauses.every((clause) => isExactOfLine(clause, line)));
  if (!found)
    throw new AppError('invalid', `there is no Ruby "${wish.raw}" (${wish.from})`, {
      hint: `nearest: ${nearest(wish).join(', ')}`,
    });
  const isAsAsked = wish.clauses.every((clause) => holds(found.version, clause));
  const warnings = isAsAsked
    ? []
    : [
        `Ruby ${found.line} as Debian has it (${found.version} or later) instead of ${wish.raw} (${wish.from})`,
      ];
  return { ...found, askedBy: wish.from, warnings };
}

function newest(): RubyRelease {
  const [first] = rubies;
  if (!first) throw new Error('there is no Ruby');
  return first;
}

/** Patch versions replace each other: of an exact version the line is what is asked for. */
function isExactOfLine({ operator, release }: Clause, line: string): boolean {
  return operator === '=' && release.length >= 3 && release.slice(0, 2).join('.') === line;
}

function nearest({ clauses }: Wish): string[] {
  const [major = 3, minor = 0] = clauses[0]?.release ?? [];
  const away = ({ line }: RubyRelease) => {
    const [otherMajor = 0, otherMinor = 0] = line.split('.').map(Number);
    // Ruby 3.0 came after 2.7.
    return Math.abs(otherMajor * 8 + otherMinor - major * 8 - minor);
  };
  return [...rubies].sort((one, other) => away(one) - away(other)).map(({ version }) => version);
}

async function readWish(tree: SourceTree, gemfile: string | undefined): Promise<Wish | undefined> {
  const declared = await gemfileWish(tree, gemfile);
  if (declared) return declared;
  for (const [file, pattern] of versionFiles) {
    const text = await tree.readText(file, 4096);
    const raw = firstMatch(text, pattern);
    if (raw !== undefined) return toWish([raw], file);
  }
  return undefined;
}

const versionFiles: readonly (readonly [string, RegExp])[] = [
  ['.ruby-version', /^(\S+)/],
  ['.tool-versions', /^ruby\s+(\S+)/],
];

function firstMatch(text: string | undefined, pattern: RegExp): string | undefined {
  return text
    ?.split('\n')
    .map((line) => pattern.exec(line.replace(/#.*/, '').trim())?.[1])
    .find((word) => word !== undefined);
}

/** `ruby "~> 3.3", ">= 3.3.1"`, `ruby file: ".ruby-version"`; anything that has to be computed is bundler's to check. */
async function gemfileWish(tree: SourceTree, gemfile: string | undefined): Promise<Wish | undefined> {
  const line = /^[ \t]*ruby[ \t(]+(.{1,300})$/m.exec(gemfile ?? '')?.[1];
  if (line === undefined) return undefined;
  const engine = /\bengine:\s*:?["']?(\w+)/.exec(line)?.[1] ?? /:engine\s*=>\s*["'](\w+)/.exec(line)?.[1];
  if (engine !== undefined && engine !== 'ruby')
    throw new AppError('invalid', `the Gemfile asks for "${engine}", which is not to be had`, {
      hint: 'Ruby itself is: leave "engine" out of the line "ruby" of the Gemfile',
    });
  const file = /\bfile:\s*["']([\w./-]+)["']/.exec(line)?.[1];
  if (file !== undefined) {
    const pattern = file.endsWith('.tool-versions') ? /^ruby\s+(\S+)/ : /^(\S+)/;
    const raw = firstMatch(await tree.readText(file, 4096), pattern);
    return raw === undefined ? undefined : toWish([raw], file);
  }
  const literals = [...line.replace(/#.*/, '').matchAll(/(["'])([^"'#]{1,60})\1/g)].map(
    (match) => match[2] ?? '',
  );
  return literals.length === 0 ? undefined : toWish(literals, 'Gemfile');
}

function toWish(texts: readonly string[], from: string): Wish {
  const raw = texts.join(', ');
  const engine = /^(jruby|truffleruby|mruby|rbx)/.exec(raw)?.[1];
  if (engine !== undefined)
    throw new AppError('invalid', `${from} asks for "${engine}", which is not to be had`, {
      hint: `write a version of Ruby: ${newest().version}`,
    });
  const clauses = texts.map((text) => {
    const [, operator = '', numbers] =
      /^(=|!=|~>|>=|<=|>|<|)\s*(\d+(?:\.\d+){0,3})(?:-?p\d+|\.?(?:preview|rc)\d*|\.x)?$/.exec(
        text.trim().replace(/^ruby-/, ''),
      ) ?? [];
    if (numbers === undefined)
      throw new AppError('invalid', `"${text.slice(0, 60)}" in ${from} is not a Ruby version`, {
        hint: `write a version, for example "${newest().version}"`,
      });
    return { operator: operator || '=', release: numbers.split('.').map(Number) };
  });
  return { raw, from, clauses };
}

function holds(version: string, { operator, release }: Clause): boolean {
  const own = version.split('.').map(Number);
  const order = compare(own, release);
  switch (operator) {
    // ".ruby-version" with "3.3" means the line.
    case '=':
      return compare(own.slice(0, release.length), release) === 0;
    case '!=':
      return order !== 0;
    case '>=':
      return order >= 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '<':
      return order < 0;
    default: {
      const fixed = release.slice(0, -1);
      return order >= 0 && compare(own.slice(0, fixed.length), fixed) === 0;
    }
  }
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
