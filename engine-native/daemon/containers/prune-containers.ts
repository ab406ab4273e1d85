// Which containers `docker container prune` removes: those that do not run, older than `until`, with or without labels. Pure.
import { AppError } from '@berth/kit/errors.ts';
import { matchesLabels, parseFilters } from '../filters.ts';
import { parseMoment } from '../logs/log-records.ts';
import type { Container } from './container.ts';

export function prunable(containers: Container[], rawFilters: string | null, nowMs: number): Container[] {
  const filters = parseFilters(rawFilters, ['until', 'label', 'label!']);
  const untilMs = untilOf(filters['until'], nowMs);
  const unwanted = filters['label!'] ?? [];
  return containers.filter(({ status, record }) => {
    if (status !== 'exited' && status !== 'created') return false;
    const { Labels } = record.config;
    return (
      Date.parse(record.created) <= untilMs &&
      matchesLabels(filters['label'], Labels) &&
      !unwanted.some((label) => matchesLabels([label], Labels))
    );
  });
}

function untilOf(values: string[] | undefined, nowMs: number): number {
  if (values === undefined || values.length === 0) return Number.POSITIVE_INFINITY;
  if (values.length > 1) throw new AppError('bad_request', 'more than one until filter specified');
  const untilMs = parseMoment(values[0] ?? '', nowMs);
  if (untilMs === undefined)
    throw new AppError('bad_request', `filter "until=${values[0]}" is no time`, {
      hint: 'write 24h, a unix time or 2026-01-31T00:00:00Z',
    });
  return untilMs;
}
