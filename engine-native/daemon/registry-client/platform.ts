// Platforms (`linux/arm64/v8`): read, compared, and the best one of an index chosen. Pure.
import { AppError } from '@berth/kit/errors.ts';

export interface Platform {
  os: string;
  architecture: string;
  variant: string;
}

const architectures: Record<string, string> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  ia32: '386',
  i386: '386',
};

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: architectures[process.arch] ?? process.arch, variant: '' };
}

/** `linux/arm64`, `linux/arm/v7`, `arm64`, or the JSON form that newer clients send. */
export function parsePlatform(raw: string): Platform {
  const parts = raw.startsWith('{') ? fromJson(raw) : raw.toLowerCase().split('/');
  const [first = '', second = '', variant = ''] = parts.length === 1 ? ['linux', ...parts] : parts;
  if (parts.length > 3 || !/^[a-z0-9]+$/.test(first) || !/^[a-z0-9_-]+$/.test(second))
    throw new AppError('bad_request', `"${raw}" is not a platform`, { hint: 'write linux/amd64' });
  return { os: first, architecture: architectures[second] ?? second, variant };
}

function fromJson(raw: string): string[] {
  try {
    const { os, architecture, variant } = JSON.parse(raw) as Record<string, unknown>;
    return [os, architecture, variant].filter((part) => typeof part === 'string' && part !== '') as string[];
  } catch {
    return [];
  }
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== '').join('/');
}

/** Variants that are what a platform without one means. */
const defaultVariants: Record<string, string> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

/** True when an image for `offered` runs where `wanted` was asked for. */
export function satisfies(offered: Platform, wanted: Platform): boolean {
  return rank(offered, wanted) !== undefined;
}

/** The lower the better; undefined: does not fit. */
function rank(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const standard = defaultVariants[wanted.architecture] ?? '';
  const have = versionOf(offered.variant || standard);
  const want = versionOf(wanted.variant || standard);
  if (have === want) return offered.variant === wanted.variant ? 0 : 1;
  // An older variant runs on a newer machine, never the other way round.
  return have < want ? 1 + (want - have) : undefined;
}

function versionOf(variant: string): number {
  return Number(/^v(\d+)$/.exec(variant)?.[1] ?? 0);
}

/** The entry that fits best; the first of equals. An entry without a platform fits only when none says one. */
export function choosePlatform<T extends { platform: Platform | undefined }>(
  entries: readonly T[],
  wanted: Platform,
): T | undefined {
  const ranked = entries
    .map((entry) => ({ entry, rank: entry.platform && rank(entry.platform, wanted) }))
    .filter((candidate): candidate is { entry: T; rank: number } => candidate.rank !== undefined)
    .sort((a, b) => a.rank - b.rank);
  if (ranked[0]) return ranked[0].entry;
  return entries.every(({ platform }) => platform === undefined) ? entries[0] : undefined;
}
