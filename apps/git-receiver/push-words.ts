// What the pusher reads from the receiver itself, in the field's look. Pure; used by the push steps and the error answers.
import type { AppError } from '@berth/kit/errors.ts';
import type { RefUpdate } from './hook-channel.ts';

export function warning(text: string): string {
  return ` !     ${text}`;
}

/** The message, then detail and hint, a line each. */
export function errorLines(error: Pick<AppError, 'message' | 'detail' | 'hint'>): string[] {
  const lines = [error.message, error.detail, error.hint].filter((text) => text !== undefined && text !== '');
  return lines.flatMap((text) => String(text).split('\n')).map(warning);
}

const zeroPattern = /^0+$/;
export function isDelete(update: RefUpdate): boolean {
  return zeroPattern.test(update.newOid);
}

/** What to say about a ref that is not the deploy branch; null when there is nothing to say. */
export function otherRefLine(update: RefUpdate, deployBranch: string): string | null {
  if (isDelete(update)) return null;
  const branch = /^refs\/heads\/(.+)$/.exec(update.ref)?.[1];
  if (branch !== undefined)
    return warning(
      `Pushed to "${branch}". Only "${deployBranch}" deploys: git push berth ${branch}:${deployBranch}`,
    );
  const tag = /^refs\/tags\/(.+)$/.exec(update.ref)?.[1];
  return tag === undefined
    ? null
    : warning(
        `Pushed the tag "${tag}". Only "${deployBranch}" deploys: git push berth ${tag}^{commit}:${deployBranch}`,
      );
}

export function tooManyFiles(files: number, limit: number): string {
  return `the push holds ${amount(files)} files; the limit is ${amount(limit)}`;
}

export function tooManyBytes(bytes: number, limit: number): string {
  return `the push holds ${mebibytes(bytes)} of files; the limit is ${mebibytes(limit)}`;
}

export function diskFull(freeBytes: number, leastBytes: number): string {
  return `the disk of the platform is full: ${mebibytes(freeBytes)} free, ${mebibytes(leastBytes)} are needed`;
}

function amount(value: number): string {
  return value >= 1e15 ? 'more than 10^15' : value.toLocaleString('en-US');
}

function mebibytes(bytes: number): string {
  return `${amount(Math.ceil(bytes / 1024 ** 2))} MiB`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)}s`;
}
