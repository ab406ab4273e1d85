// From the engine's time-stamped output to lines of an app's log: parsing, ordering, skipping what was seen. Pure.
import type { LogLine } from '@berth/contract/log.ts';

export interface StampedLine {
  /** RFC 3339 with nine digits, so that text order is time order. */
  time: string;
  message: string;
}

const stampPattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z /;
/** A program that prints without ever ending a line must not fill our memory; the engine cuts at 16 KiB. */
const maxLineChars = 64 * 1024;

/** Cuts the engine's output (each record begins with its time) into lines, over any chunking. */
export class LineCutter {
  #rest = '';

  push(text: string): StampedLine[] {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    if (this.#rest.length > maxLineChars) {
      parts.push(this.#rest);
      this.#rest = '';
    }
    return parts.flatMap(parseLine);
  }

  /** What stood without a line end. */
  end(): StampedLine[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : parseLine(rest);
  }
}

function parseLine(line: string): StampedLine[] {
  const match = stampPattern.exec(line);
  if (!match) return [];
  const [stamp, seconds = '', fraction = ''] = match;
  const message = line.slice(stamp.length).replace(/\r$/, '');
  return [{ time: `${seconds}.${fraction.padEnd(9, '0')}Z`, message }];
}

export function toLogLine(process: string, line: StampedLine): LogLine {
  return { time: line.time, source: 'app', process, message: line.message };
}

/** The newest `count` of several containers' lines in the order of time; lines of the same time keep their order. */
export function newest(lines: readonly LogLine[], count: number): LogLine[] {
  const sorted = lines.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return count >= sorted.length ? sorted : sorted.slice(sorted.length - count);
}

/** `web` means every web process, `web.1` that one. */
export function isOfProcess(process: string, wanted: string | undefined): boolean {
  return wanted === undefined || process === wanted || process.startsWith(`${wanted}.`);
}

/** The time as the engine's `since` takes it: seconds with a fraction. One that is too early is no harm: seen lines are skipped. */
export function sinceSeconds(time: string): number {
  return Math.floor(Date.parse(`${time.slice(0, 19)}Z`) / 1000) + Number(`0${time.slice(19, 29)}`) - 0.000_01;
}
