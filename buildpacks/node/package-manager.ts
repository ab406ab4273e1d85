// Which package manager an app uses (npm, yarn classic, yarn berry, pnpm), at which version, and how it is told to install. Data only.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import semver from 'semver';
import type { Manifest } from './manifest.ts';

export type ManagerKind = 'npm' | 'yarn-classic' | 'yarn-berry' | 'pnpm';

export interface PackageManager {
  kind: ManagerKind;
  /** What the user reads. */
  label: string;
  lockfile: string | undefined;
  lockText: string | undefined;
  /** The npm package that provides it and the version to take; undefined: npm, which lies beside Node. */
  provider: { name: string; version: string } | undefined;
  warnings: string[];
}

const lockfiles = ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml'] as const;

export async function choosePackageManager(
  tree: SourceTree,
  manifest: Manifest,
  platformNpm: string,
): Promise<PackageManager> {
  const present = lockfiles.filter((file) => tree.has(file));
  const families = new Set(present.map(familyOf));
  const asked = parsePackageManager(manifest.packageManager);
  if (families.size > 1 && !asked)
    throw new AppError('invalid', `there are two lockfiles: "${present[0]}" and "${present[1]}"`, {
      hint: `remove one of them: git rm ${present[1]}`,
    });
  const family = asked?.name ?? (present[0] ? familyOf(present[0]) : 'npm');
  const lockfile = present.find((file) => familyOf(file) === family);
  const lockText = lockfile ? await tree.readText(lockfile) : undefined;
  const warnings = lockfile
    ? []
    : [
        `no lockfile: versions are chosen when package.json changes; commit the one that "${family} install" writes`,
      ];
  const common = { lockfile, lockText, warnings };
  if (family === 'pnpm') return { ...common, ...pnpm(asked?.version, lockText) };
  if (family === 'yarn') return { ...common, ...yarn(asked?.version, lockText) };
  const provider = asked?.version
    ? { name: 'npm', version: asked.version }
    : engineNpm(manifest, platformNpm);
  return { ...common, kind: 'npm', label: 'npm', provider };
}

function familyOf(lockfile: string): 'npm' | 'yarn' | 'pnpm' {
  if (lockfile === 'yarn.lock') return 'yarn';
  return lockfile === 'pnpm-lock.yaml' ? 'pnpm' : 'npm';
}

function parsePackageManager(
  text: string | undefined,
): { name: 'npm' | 'yarn' | 'pnpm'; version: string } | undefined {
  if (text === undefined) return undefined;
  const match = /^(npm|yarn|pnpm)@(\d+\.\d+\.\d+[-.\w]*)(?:\+.*)?$/.exec(text);
  if (!match)
    throw new AppError('invalid', `"packageManager" in package.json says "${text.slice(0, 60)}"`, {
      hint: 'write npm, yarn or pnpm with a full version, for example "pnpm@10.0.0"',
    });
  return { name: match[1] as 'npm' | 'yarn' | 'pnpm', version: match[2] ?? '' };
}

/** `engines.npm` is obeyed only when it is a range; the layer's key holds the text. */
function engineNpm(manifest: Manifest, platformNpm: string): { name: string; version: string } | undefined {
  const range = manifest.engines['npm']?.trim();
  return range && semver.validRange(range) !== null && !semver.satisfies(platformNpm, range)
    ? { name: 'npm', version: range }
    : undefined;
}

function pnpm(
  version: string | undefined,
  lockText: string | undefined,
): Pick<PackageManager, 'kind' | 'label' | 'provider'> {
  const format = /^lockfileVersion: '?(\d+)/m.exec(lockText ?? '')?.[1];
  const byFormat: Record<string, string> = { 5: '7', 6: '8', 9: '10' };
  const wanted = version ?? byFormat[format ?? ''] ?? '10';
  return { kind: 'pnpm', label: 'pnpm', provider: { name: 'pnpm', version: wanted } };
}

/** The newest yarn that leaves a lockfile of this format as it is; a newer one would rewrite it, which `--immutable` forbids. */
function berryFor(lockText: string | undefined): string {
  const format = Number(/^__metadata:\s+version: (\d+)/m.exec(lockText ?? '')?.[1] ?? 10);
  if (format >= 10) return '4';
  if (format === 9) return '4.14';
  return format === 8 ? '4.12' : '3';
}

function yarn(
  version: string | undefined,
  lockText: string | undefined,
): Pick<PackageManager, 'kind' | 'label' | 'provider'> {
  const isBerry = version ? semver.major(version) >= 2 : /^__metadata:/m.test(lockText ?? '');
  if (isBerry)
    return {
      kind: 'yarn-berry',
      label: 'yarn',
      provider: { name: '@yarnpkg/cli-dist', version: version ?? berryFor(lockText) },
    };
  return { kind: 'yarn-classic', label: 'yarn', provider: { name: 'yarn', version: version ?? '1.22.22' } };
}
