// Byte ranges: of downloads (`Range`, RFC 9110 section 14) and of chunks on their way in (`Content-Range`, distribution spec). Pure.
import type { BlobRange } from '../content/blob-store.ts';

/** The range that is asked for; undefined for the whole (also for several ranges, which may be ignored); `none` when there is no such. */
export function requestedRange(header: string | undefined, size: number): BlobRange | undefined | 'none' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (!match || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'none' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? 'none' : { start, end };
}

/** `0-99`, or `bytes 0-99/*` as some clients write it; undefined when it is neither. */
export function chunkRange(header: string): BlobRange | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (!match) return undefined;
  const range = { start: Number(match[1]), end: Number(match[2]) };
  return range.end < range.start ? undefined : range;
}
