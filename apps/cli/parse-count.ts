// The number behind -n. Pure; used by the lists and the logs.
import { AppError } from '@berth/kit/errors.ts';

/** Throws `bad_request` for what is not a whole number from 1 to `most` (0 is allowed when `least` says so). */
export function parseCount(word: string | undefined, fallback: number, most: number, least = 1): number {
  if (word === undefined) return fallback;
  const value = Number(word);
  if (/^\d+$/.test(word) && value >= least && value <= most) return value;
  throw new AppError('bad_request', `"${word}" is not a number from ${least} to ${most}`);
}
