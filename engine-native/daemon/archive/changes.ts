// What `docker diff` shows: the helper's records, without what the engine itself put there, in order of their paths.
import { AppError } from '@berth/kit/errors.ts';
import { engineMountPoints } from '../containers/commit-container.ts';
import type { Container } from '../containers/container.ts';
import { mountsOf } from '../containers/plan-mounts.ts';
import { lowerOf, type RootParts } from './container-root.ts';

const kinds: Record<string, number> = { C: 0, A: 1, D: 2 };

export interface Change {
  Path: string;
  /** 0 changed, 1 added, 2 deleted. */
  Kind: number;
}

export async function containerChanges(container: Container, parts: RootParts): Promise<Change[]> {
  const lower = lowerOf(container.record, parts.layers);
  const socket = await parts.helper.changes(lower, `${parts.files.stateDir(container.id)}/upper`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const records = Buffer.concat(chunks).toString('utf8').split('\0');
  if (records.length < 2 || records.at(-2) !== '')
    throw new AppError('internal', 'the list of changes is not whole');
  const changes = records
    .filter((record) => record !== '')
    .map((record) => ({ Path: `/${record.slice(1)}`, Kind: kinds[record.charAt(0)] ?? 0 }))
    .sort((a, b) => (a.Path < b.Path ? -1 : 1));
  const targets = [...engineMountPoints.map((path) => `/${path}`), ...targetsOf(container)];
  return withoutMountPoints(changes, targets);
}

function targetsOf({ record }: Container): string[] {
  return mountsOf(record).map(({ target }) => target);
}

/** Mount points are made at a start and taken away at its end: they are nobody's change, nor are the folders that changed for them alone. */
export function withoutMountPoints(changes: Change[], targets: string[]): Change[] {
  const own = new Set(targets);
  const kept = changes.filter(({ Path, Kind }) => !(Kind === 1 && own.has(Path)));
  if (kept.length === changes.length) return kept;
  const isForTarget = (path: string) => targets.some((target) => target.startsWith(`${path}/`));
  const holdsOther = (path: string) => kept.some((other) => other.Path.startsWith(`${path}/`));
  return kept.filter(({ Path, Kind }) => Kind === 2 || !isForTarget(Path) || holdsOther(Path));
}
