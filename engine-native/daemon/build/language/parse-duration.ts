// Durations as HEALTHCHECK's flags write them (`1m30s`, `500ms`), in nanoseconds. Pure.
import { parseError } from './parse-error.ts';

const units: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const minimumNanos = 1e6; // Docker's own: a check more often than each millisecond is a mistake

export function parseDuration(text: string, flag: string, line: number): number {
  const parts = [...text.matchAll(/(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const nanos = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ''] ?? 0), 0);
  if (text === '0') return 0;
  if (!isWhole || !Number.isSafeInteger(Math.round(nanos)))
    throw parseError(line, `invalid duration "${text.slice(0, 40)}" of ${flag}`, 'write 30s or 1m30s');
  if (nanos !== 0 && nanos < minimumNanos) throw parseError(line, `${flag} cannot be less than 1ms`);
  return Math.round(nanos);
}
