// Which OpenJDK an app gets: what its files ask for, else the nearest that its source level allows. Used by facts.ts.
import type { PlanContext, VersionList } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type MavenProject, majorOf } from './pom.ts';

export interface JdkChoice {
  major: number;
  /** The suite of Debian that has it. */
  suite: string;
  /** For the user; undefined: nobody asked. */
  askedBy: string | undefined;
  warnings: string[];
}

/** What Debian has, oldest first. The stack's own suite, and the one before it for what the stack's has dropped. */
export const available = [
  { major: 17, suite: 'bookworm' },
  { major: 21, suite: 'trixie' },
  { major: 25, suite: 'trixie' },
] as const;
const defaultMajor = 21;

interface Wish {
  raw: string;
  from: string;
}

export async function chooseJdk(
  tree: SourceTree,
  level: MavenProject['level'],
  context: Pick<PlanContext, 'listVersions'>,
): Promise<JdkChoice> {
  const wish = await readWish(tree);
  if (wish) return honour(wish, context);
  if (level) return forLevel(level);
  return { ...provider(defaultMajor), askedBy: undefined, warnings: [] };
}

function provider(major: number): { major: number; suite: string } {
  const found = available.find((one) => one.major === major);
  if (!found) throw new AppError('internal', `no provider of Java ${major}`);
  return found;
}

async function honour(wish: Wish, context: Pick<PlanContext, 'listVersions'>): Promise<JdkChoice> {
  const version = /(?:^|[a-z_-])(\d+(?:\.\d+)*)/i.exec(wish.raw)?.[1];
  if (version === undefined)
    throw new AppError('invalid', `"${wish.raw}" in ${wish.from} is not a Java version`, {
      hint: 'write its first number, for example "21"',
    });
  const major = majorOf(version);
  const found = available.find((one) => one.major === major);
  if (!found) throw notToBeHad(wish, major);
  const exact = version.split('.').length > 1 && !/^\d+(\.0)+$/.test(version);
  const warnings = exact ? await otherPatch(wish, version, found.major, context) : [];
  return { ...found, askedBy: wish.from, warnings };
}

/** Debian keeps the newest patch of each line, which takes the place of older ones; what is not released yet nothing can take the place of. */
async function otherPatch(
  wish: Wish,
  version: string,
  major: number,
  context: Pick<PlanContext, 'listVersions'>,
): Promise<string[]> {
  const known = await context.listVersions(debianVersions);
  const newest = known.filter((one) => majorOf(one) === major).at(-1);
  if (newest === undefined || newest === version || newest.startsWith(`${version}.`)) return [];
  if (compareVersions(version, newest) > 0)
    throw new AppError('invalid', `there is no OpenJDK "${wish.raw}" (${wish.from})`, {
      hint: `nearest: ${newest}`,
    });
  return [`OpenJDK ${version} (${wish.from}) is out of date: ${newest} of the same line takes its place`];
}

/** The nearest JDK that compiles for that level: older libraries that look into the compiler break on much newer ones. */
function forLevel(level: Wish): JdkChoice {
  const major = majorOf(level.raw);
  const found = available.find((one) => one.major >= major);
  if (!found) throw notToBeHad(level, major);
  // javac 17 compiles for 7 and later.
  if (major < 7)
    throw new AppError('invalid', `no compiler here compiles for Java ${major} (${level.from})`, {
      hint: 'raise it to 8 or later',
    });
  return { ...found, askedBy: `for Java ${major}: ${level.from}`, warnings: [] };
}

function notToBeHad(wish: Wish, major: number): AppError {
  const sorted = [...available].sort((a, b) => Math.abs(a.major - major) - Math.abs(b.major - major));
  return new AppError('invalid', `there is no OpenJDK "${wish.raw}" (${wish.from})`, {
    hint: `nearest: ${sorted.map((one) => one.major).join(', ')}`,
  });
}

export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(/[.-]/).map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function readWish(tree: SourceTree): Promise<Wish | undefined> {
  for (const { file, pattern } of wishFiles) {
    const text = await tree.readText(file, 64 * 1024);
    const raw = text === undefined ? undefined : pattern.exec(text)?.[1]?.trim();
    if (raw) return { raw, from: file };
  }
  return undefined;
}

/** In the order of who means it most: the platform's file, then those of version managers. */
const wishFiles = [
  { file: 'system.properties', pattern: /^[ \t]*java\.runtime\.version[ \t]*[=:][ \t]*(\S+)/m },
  { file: '.java-version', pattern: /^\s*(?!#)(\S+)/ },
  { file: '.sdkmanrc', pattern: /^[ \t]*java[ \t]*=[ \t]*(\S+)/m },
  { file: '.tool-versions', pattern: /^[ \t]*java[ \t]+(\S+)/m },
  { file: 'build.gradle', pattern: /JavaLanguageVersion\.of\(\s*["']?(\d+)/ },
  { file: 'build.gradle.kts', pattern: /(?:JavaLanguageVersion\.of|jvmToolchain)\(\s*["']?(\d+)/ },
];

/** Asked only for a wish that names a patch. */
const debianVersions: VersionList = {
  name: 'openjdk-debian',
  of: 'OpenJDK',
  script: `
sed -n 'p; s/trixie/bookworm/gp' /etc/apt/sources.list > /tmp/sources.list
apt-get -qq -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=- update
apt-cache -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=- madison $PACKAGES
`,
  env: { PACKAGES: available.map(({ major }) => `openjdk-${major}-jdk-headless`).join(' ') },
  parse: (output) =>
    [...output.matchAll(/\|\s*(\d+(?:\.\d+)*)\+\S*\s*\|/g)]
      .map(([, version = '']) => version)
      .sort(compareVersions),
};
