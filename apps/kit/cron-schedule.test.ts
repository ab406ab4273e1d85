import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextTick, parseCron } from './cron-schedule.ts';

function next(text: string, after: string): string | undefined {
  const schedule = parseCron(text);
  assert.ok(typeof schedule !== 'string', String(schedule));
  return nextTick(schedule, new Date(after))?.toISOString().slice(0, 16);
}

test('the next minute of an expression', () => {
  const cases: [string, string, string][] = [
    ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01'],
    ['*/15 * * * *', '2026-01-01T00:45:00Z', '2026-01-01T01:00'],
    ['5/20 * * * *', '2026-01-01T00:25:00Z', '2026-01-01T00:45'],
    ['0 3 * * *', '2026-01-01T03:00:00Z', '2026-01-02T03:00'],
    ['30 4 1,15 * fri', '2026-01-01T05:00:00Z', '2026-01-02T04:30'], // either day: the 2nd is a Friday
    ['0 0 * * 7', '2026-01-01T00:00:00Z', '2026-01-04T00:00'],
    ['0 9 * * mon-fri', '2026-01-03T00:00:00Z', '2026-01-05T09:00'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00'],
    ['59 23 31 dec *', '2026-12-31T23:59:00Z', '2027-12-31T23:59'],
    ['@weekly', '2026-01-01T00:00:00Z', '2026-01-04T00:00'],
    ['@hourly', '2026-01-01T00:00:00Z', '2026-01-01T01:00'],
  ];
  for (const [text, after, expected] of cases) assert.equal(next(text, after), expected, text);
});

test('what is no expression is named with its part', () => {
  const cases: [string, string][] = [
    ['* * * *', 'a cron expression has 5 fields (minute hour day month weekday), this has 4'],
    ['', 'a cron expression has 5 fields (minute hour day month weekday), this has 0'],
    ['60 * * * *', '"60" is no minute (0-59)'],
    ['* 5-3 * * *', '"5-3" is no hour (0-23)'],
    ['* * 0 * *', '"0" is no day (1-31)'],
    ['* * * foo *', '"foo" is no month (1-12)'],
    ['*/0 * * * *', '"*/0" is no minute (0-59)'],
    ['* * * * 8', '"8" is no weekday (0-7)'],
    ['0 0 31 feb *', '"0 0 31 feb *" names a day that never comes'],
    ['@reboot', '"@reboot" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly'],
  ];
  for (const [text, problem] of cases) assert.equal(parseCron(text), problem, text);
});
