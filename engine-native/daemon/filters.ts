// The `filters` query parameter of Docker's API: a JSON object of lists, or of objects with the values as keys. Pure.
import { AppError } from '@berth/kit/errors.ts';

export type Filters = Record<string, string[]>;

export function parseFilters(raw: string | null, known: string[]): Filters {
  if (raw === null || raw === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(raw);
  } catch {
    throw new AppError('bad_request', '"filters" is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new AppError('bad_request', '"filters" must be a JSON object');
  const filters: Filters = {};
  for (const [name, value] of Object.entries(parsed as Record<string, unknown>)) {
    if (!known.includes(name)) throw new AppError('bad_request', `invalid filter '${name}'`);
    filters[name] = valuesOf(value);
  }
  return filters;
}

function valuesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([key, isSet]) => (isSet === false ? [] : [key]));
}

/** `key` or `key=value`; every given label must match. */
export function matchesLabels(wanted: string[] | undefined, labels: Record<string, string>): boolean {
  return (wanted ?? []).every((entry) => {
    const cut = entry.indexOf('=');
    if (cut < 0) return Object.hasOwn(labels, entry);
    return labels[entry.slice(0, cut)] === entry.slice(cut + 1);
  });
}

/** One of the values must match; no values match everything. */
export function matchesAny(wanted: string[] | undefined, matches: (value: string) => boolean): boolean {
  return wanted === undefined || wanted.length === 0 || wanted.some(matches);
}
