// Which Node an app gets: what package.json, .nvmrc or .node-version ask for, the platform's own if that will do.
import { npmVersions } from '@berth/builder/plan/npm-versions.ts';
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import { AppError } from '@berth/kit/errors.ts';
import semver from 'semver';
import type { Wish } from './version-wishes.ts';

export interface NodeChoice {
  version: string;
  /** The platform's own Node: no download. */
  isPlatforms: boolean;
  /** Where the wish stands, for the user; undefined: nobody asked. */
  askedBy: string | undefined;
}

/** Node's code names, as .nvmrc may use them. */
const longTermNames: Record<string, string> = {
  argon: '4',
  boron: '6',
  carbon: '8',
  dubnium: '10',
  erbium: '12',
  fermium: '14',
  gallium: '16',
  hydrogen: '18',
  iron: '20',
  jod: '22',
  krypton: '24',
};

export async function chooseNode(asked: Wish | undefined, context: PlanContext): Promise<NodeChoice> {
  const wish = asked && { ...asked, range: asRange(asked) };
  const platforms = { version: context.platformNode.version, isPlatforms: true };
  if (!wish) return { ...platforms, askedBy: undefined };
  if (wish.range === 'lts') return { ...platforms, askedBy: wish.from };
  if (wish.range !== 'latest' && semver.validRange(wish.range) === null)
    throw new AppError('invalid', `"${wish.raw}" in ${wish.from} is not a Node version`, {
      hint: 'write a version or a range, for example "24.x"',
    });
  if (wish.range !== 'latest' && semver.satisfies(platforms.version, wish.range))
    return { ...platforms, askedBy: wish.from };
  const known = await context.listVersions(npmVersions(`node-linux-${context.arch}`, 'Node.js'));
  const released = known.filter((version) => semver.valid(version) && !semver.prerelease(version));
  const version =
    wish.range === 'latest'
      ? semver.maxSatisfying(released, '*')
      : semver.maxSatisfying(released, wish.range);
  if (!version)
    throw new AppError('invalid', `there is no Node "${wish.raw}" (${wish.from})`, {
      hint: `nearest: ${nearest(released, wish.range).join(', ')}`,
    });
  return { version, isPlatforms: false, askedBy: wish.from };
}

/** package.json holds ranges; the other files nvm's words as well. */
function asRange({ raw, from }: Wish): string {
  return from.startsWith('"engines') || from.startsWith('"devEngines') ? raw : versionFileRange(raw);
}

/** nvm's words as a range. */
function versionFileRange(raw: string): string {
  if (raw === 'node' || raw === 'latest' || raw === 'current' || raw === 'stable') return 'latest';
  if (raw === 'lts/*' || raw === 'lts' || raw === '--lts') return 'lts';
  const name = /^lts\/(.+)$/.exec(raw)?.[1];
  if (name) return longTermNames[name.toLowerCase()] ?? raw;
  return raw.replace(/^node\/?/, '');
}

/** Up to five existing versions a reader could mean: of the same major line, else the newest lines. */
export function nearest(released: readonly string[], range: string): string[] {
  const wanted = semver.minVersion(semver.validRange(range) ?? '*');
  const sorted = [...released].sort(semver.rcompare);
  const sameMajor = sorted.filter((version) => semver.major(version) === wanted?.major);
  if (sameMajor.length > 0) return sameMajor.slice(0, 5);
  const newestOfMajor = new Map<number, string>();
  for (const version of sorted)
    if (!newestOfMajor.has(semver.major(version))) newestOfMajor.set(semver.major(version), version);
  const distance = (version: string) => Math.abs(semver.major(version) - (wanted?.major ?? 0));
  return [...newestOfMajor.values()].sort((a, b) => distance(a) - distance(b)).slice(0, 5);
}

/** The npm that a Node can run, as a range for the registry; undefined: the platform's own npm will do. */
export function npmFor(nodeVersion: string): string | undefined {
  if (semver.satisfies(nodeVersion, '^20.17.0 || >=22.9.0')) return undefined;
  if (semver.satisfies(nodeVersion, '^18.17.0 || >=20.5.0')) return '10';
  if (semver.satisfies(nodeVersion, '^14.17.0 || ^16.13.0 || >=18.0.0')) return '9';
  if (semver.satisfies(nodeVersion, '^12.13.0 || ^14.15.0 || >=16.0.0')) return '8';
  return '6';
}
