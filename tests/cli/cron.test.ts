// cron and schema: what is printed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CronRun } from '@berth/contract/cron.ts';
import { CliFixture } from './cli-fixture.ts';

let fixture: CliFixture;
before(async () => {
  fixture = await CliFixture.start();
  await fixture.login();
});
after(() => fixture.close());

const nextAt = '2026-01-02T03:30:00.000Z';
const entry = (over: Partial<CronRun>): CronRun => ({
  schedule: '30 3 * * *',
  command: 'tidy',
  memoryMb: 512,
  nextAt,
  last: null,
  note: null,
  ...over,
});

test('cron shows when each entry runs next, and how it ended last', async () => {
  const last = { name: 'run.7', at: '2026-01-01T03:30:00.000Z', running: false, exitCode: 0 };
  let entries = [
    entry({}),
    entry({ last }),
    entry({ last: { ...last, exitCode: 3 } }),
    entry({ last: { ...last, exitCode: null } }),
    entry({ last: { ...last, exitCode: null, running: true }, note: 'left out' }),
  ];
  fixture.api.routes.set('GET /v1/apps/hello/cron', () => ({ entries }));
  const { stdout } = await fixture.berth(['cron', '-a', 'hello']);
  const results = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/).slice(2).join('|'));
  assert.deepEqual(results, [
    'NEXT|LAST|RESULT',
    `${nextAt}|-`,
    `${nextAt}|${last.at}|run.7 done`,
    `${nextAt}|${last.at}|run.7 exited with code 3`,
    `${nextAt}|${last.at}|run.7 did not start`,
    `${nextAt}|${last.at}|run.7 runs; left out`,
  ]);
  entries = [];
  assert.match((await fixture.berth(['cron', '-a', 'hello'])).stdout, /^Nothing runs regularly/);
});

test('schema prints the schema of either file without a server', async () => {
  const printed = JSON.parse((await fixture.berth(['schema'])).stdout) as { title: string };
  assert.equal(printed.title, 'berth.toml');
  assert.match((await fixture.berth(['schema', 'app.json'])).stdout, /"formation"/);
  const other = await fixture.berth(['schema', 'fly.toml']);
  assert.match(other.stderr, /there is no schema of "fly.toml"/);
});
