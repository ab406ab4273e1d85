// Which package manager an app uses (npm, yarn classic, yarn berry, pnpm, bun), at which version, and where it comes from. Data only.
import { npmVersions } from '@berth/builder/plan/npm-versions.ts';
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import semver from 'semver';
import type { Manifest } from './manifest.ts';
import { nearest } from './node-version.ts';
import type { Wish, Wishes } from './version-wishes.ts';

export type ManagerKind = 'npm' | 'yarn-classic' | 'yarn-berry' | 'pnpm' | 'bun';
type Family = 'npm' | 'yarn' | 'pnpm' | 'bun';

export interface PackageManager {
  kind: ManagerKind;
  /** What the user reads, and the command's name. */
  label: Family;
  lockfile: string | undefined;
  lockText: string | undefined;
  /** The npm package that provides it and the version or range to take; undefined: npm, which lies beside Node. */
  provider: Provider | undefined;
  warnings: string[];
}

export interface Provider {
  name: string;
  version: string;
  /** "sha512.<hex>" of what corepack would have downloaded, as `packageManager` gives it. */
  hash?: string;
  askedBy?: string;
}

/** The first of a family that is there is the one its manager reads. */
const lockfiles: readonly (readonly [string, Family])[] = [
  ['npm-shrinkwrap.json', 'npm'],
  ['package-lock.json', 'npm'],
  ['yarn.lock', 'yarn'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
];

export async function choosePackageManager(
  tree: SourceTree,
  manifest: Manifest,
  wishes: Wishes,
  context: PlanContext,
): Promise<PackageManager> {
  const present = lockfiles.filter(([file]) => tree.has(file));
  const pinned = parsePackageManager(manifest.packageManager);
  const family = pinned?.family ?? askedFamily(manifest) ?? onlyFamily(present) ?? 'npm';
  const lockfile = present.find((entry) => entry[1] === family)?.[0];
  const lockText = lockfile ? await tree.readText(lockfile) : undefined;
  const warnings = lockfile
    ? []
    : [
        `no lockfile: versions are chosen when package.json changes; commit the one that "${family} install" writes`,
      ];
  const common = { label: family, lockfile, lockText, warnings };
  const asked = pinned?.provider ?? wishes.of[family];
  const choice = choose(family, asked && versionOf(asked), lockText, context);
  if (!choice.provider || !asked || choice.provider.version !== versionOf(asked))
    return { ...common, ...choice };
  const from = 'raw' in asked ? asked.from : '"packageManager" of package.json';
  const hash = 'raw' in asked || asked.hash === undefined ? {} : { hash: asked.hash };
  await checkThere(choice.provider, family, from, context);
  return { ...common, kind: choice.kind, provider: { ...choice.provider, ...hash, askedBy: from } };
}

function versionOf(asked: Wish | { version: string }): string {
  return 'raw' in asked ? asked.raw.replace(/^v(?=\d)/, '') : asked.version;
}

/** Without a word from the manifest, one lockfile decides; two contradict each other. */
function onlyFamily(present: readonly (readonly [string, Family])[]): Family | undefined {
  const [first] = present;
  const other = present.find((entry) => entry[1] !== first?.[1]);
  if (first && other)
    throw new AppError('invalid', `there are two lockfiles: "${first[0]}" and "${other[0]}"`, {
      hint: `remove one of them: git rm ${other[0]}`,
    });
  return first?.[1];
}

function askedFamily(manifest: Manifest): Family | undefined {
  return (['npm', 'yarn', 'pnpm', 'bun'] as const).find(
    (family) => manifest.devEngines.packageManager[family] !== undefined,
  );
}

function parsePackageManager(
  text: string | undefined,
): { family: Family; provider: { version: string; hash?: string } } | undefined {
  if (text === undefined) return undefined;
  const match = /^(npm|yarn|pnpm|bun)@(\d+\.\d+\.\d+(?:-[.\w-]+)?)(?:\+(sha\d+\.[0-9a-f]+))?$/.exec(text);
  if (!match)
    throw new AppError('invalid', `"packageManager" in package.json says "${text.slice(0, 60)}"`, {
      hint: 'write npm, yarn, pnpm or bun with a full version, for example "pnpm@10.0.0"',
    });
  const [, family, version = '', hash] = match;
  return { family: family as Family, provider: { version, ...(hash === undefined ? {} : { hash }) } };
}

/** `asked` is a version or a range; one that names nothing a registry could have is refused by checkThere. */
function choose(
  family: Family,
  asked: string | undefined,
  lockText: string | undefined,
  context: PlanContext,
): Pick<PackageManager, 'kind' | 'provider'> {
  switch (family) {
    case 'npm': {
      const fits = asked !== undefined && semver.satisfies(context.platformNode.npmVersion, asked);
      return { kind: 'npm', provider: asked && !fits ? { name: 'npm', version: asked } : undefined };
    }
    case 'pnpm':
      return { kind: 'pnpm', provider: { name: 'pnpm', version: preferred(pnpmFor(lockText), asked) } };
    case 'yarn':
      return yarn(asked, lockText);
    case 'bun': {
      // The baseline build also runs on processors (and virtual machines) without AVX2; Bun has one for x64 alone.
      const name = context.arch === 'x64' ? '@oven/bun-linux-x64-baseline' : '@oven/bun-linux-aarch64';
      return { kind: 'bun', provider: { name, version: preferred('1', asked) } };
    }
  }
}

/** The line that fits the lockfile, as long as the wish allows it; else the wish. */
function preferred(line: string, asked: string | undefined): string {
  if (asked === undefined) return line;
  if (semver.valid(asked) || semver.validRange(asked) === null) return asked;
  return semver.subset(`${line}.x`, asked) ? line : asked;
}

function pnpmFor(lockText: string | undefined): string {
  const format = /^lockfileVersion: '?(\d+)/m.exec(lockText ?? '')?.[1];
  const byFormat: Record<string, string> = { 5: '7', 6: '8', 9: '10' };
  return byFormat[format ?? ''] ?? '10';
}

/** The newest yarn that leaves a lockfile of this format as it is; a newer one would rewrite it, which `--immutable` forbids. */
function berryFor(lockText: string | undefined): string {
  const format = Number(/^__metadata:\s+version: (\d+)/m.exec(lockText ?? '')?.[1] ?? 10);
  if (format >= 10) return '4';
  if (format === 9) return '4.14';
  return format === 8 ? '4.12' : '3';
}

function yarn(
  asked: string | undefined,
  lockText: string | undefined,
): Pick<PackageManager, 'kind' | 'provider'> {
  const exact = asked !== undefined && semver.valid(asked) !== null;
  const isBerry = exact ? semver.major(asked) >= 2 : /^__metadata:/m.test(lockText ?? '');
  // `engines.yarn: ">=1"` and the like leave the choice to the lockfile's format.
  if (isBerry) {
    const version = exact ? asked : preferred(berryFor(lockText), asked);
    return { kind: 'yarn-berry', provider: { name: '@yarnpkg/cli-dist', version } };
  }
  const fits = asked === undefined || (!exact && semver.satisfies('1.22.22', asked));
  return { kind: 'yarn-classic', provider: { name: 'yarn', version: fits ? '1.22.22' : asked } };
}

/** A version newer than the list, which may be a day old, is let through: its install says whether it is there. */
async function checkThere(
  provider: Provider,
  family: Family,
  from: string,
  context: PlanContext,
): Promise<void> {
  const { name, version } = provider;
  if (semver.validRange(version) === null)
    throw new AppError('invalid', `"${version.slice(0, 60)}" in ${from} is not a version of ${family}`, {
      hint: 'write a version or a range, for example "10.x"',
    });
  const known = await context.listVersions(npmVersions(name, family));
  if (known.includes(version)) return;
  const released = known.filter((one) => semver.valid(one) && !semver.prerelease(one));
  const exact = semver.valid(version);
  const newest = semver.maxSatisfying(released, '*');
  if (exact ? newest && semver.gt(exact, newest) : semver.maxSatisfying(released, version)) return;
  throw new AppError('invalid', `there is no ${family} "${version}" (${from})`, {
    hint: `nearest: ${nearest(released, version).join(', ')}`,
  });
}
