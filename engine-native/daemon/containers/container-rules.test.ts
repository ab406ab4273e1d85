// Tests of the small rules around containers: filters, restart policy, signals, sizes, user id ranges, spoken times.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { matchesLabels, parseFilters } from '../filters.ts';
import { type ContainerRecord, freshLife } from './container-config.ts';
import { spokenDuration } from './inspect-container.ts';
import { parseSize } from './parse-size.ts';
import { restartDelayMs, shouldRestart, shouldStartWithDaemon } from './restart-policy.ts';
import { capabilitySet, defaultCapabilities } from './security-defaults.ts';
import { signalNumber } from './signals.ts';
import { parseSubids, UsernsRanges } from './userns-ranges.ts';

test('filters come as lists or as maps, and unknown ones are refused', () => {
  assert.deepEqual(parseFilters('{"label":["a=1"],"status":{"running":true}}', ['label', 'status']), {
    label: ['a=1'],
    status: ['running'],
  });
  assert.throws(() => parseFilters('{"colour":["red"]}', ['label']), /invalid filter 'colour'/);
  assert.throws(() => parseFilters('nonsense', []), /not JSON/);
  assert.equal(matchesLabels(['a=1', 'b'], { a: '1', b: '' }), true);
  assert.equal(matchesLabels(['a=2'], { a: '1' }), false);
});

function withPolicy(Name: string, life: Partial<typeof freshLife>, MaximumRetryCount = 0): ContainerRecord {
  const record = {
    hostConfig: { RestartPolicy: { Name, MaximumRetryCount } },
    life: { ...freshLife, ...life },
  };
  return record as unknown as ContainerRecord;
}

test('restart policies mean what Docker users expect', () => {
  assert.equal(shouldRestart(withPolicy('no', { exitCode: 1 })), false);
  assert.equal(shouldRestart(withPolicy('always', { exitCode: 0 })), true);
  assert.equal(shouldRestart(withPolicy('always', { stoppedByUser: true })), false);
  assert.equal(shouldRestart(withPolicy('on-failure', { exitCode: 0 })), false);
  assert.equal(shouldRestart(withPolicy('on-failure', { exitCode: 1, restartCount: 2 }, 3)), true);
  assert.equal(shouldRestart(withPolicy('on-failure', { exitCode: 1, restartCount: 3 }, 3)), false);
  const stopped = { startedAt: 'x', stoppedByUser: true };
  assert.equal(shouldStartWithDaemon(withPolicy('always', stopped)), true);
  assert.equal(shouldStartWithDaemon(withPolicy('unless-stopped', stopped)), false);
  assert.equal(shouldStartWithDaemon(withPolicy('always', {})), false);
  assert.deepEqual([0, 1, 5, 50].map(restartDelayMs), [100, 200, 3200, 60_000]);
});

test('signals by name and number', () => {
  assert.deepEqual(['SIGTERM', 'term', '9', 'SIGRTMIN+3', 'RTMAX-1'].map(signalNumber), [15, 15, 9, 37, 63]);
  for (const wrong of ['SIGNOPE', '0', '65', ''])
    assert.throws(() => signalNumber(wrong), /invalid signal|does not support signal/);
});

test('sizes in the units people write', () => {
  assert.deepEqual(
    ['10', '1k', '64m', '1.5g', '2GB', '3MiB'].map((raw) => parseSize(raw, 'x')),
    [10, 1024, 67_108_864, 1_610_612_736, 2_147_483_648, 3_145_728],
  );
  for (const wrong of ['', 'much', '-1', '1x']) assert.throws(() => parseSize(wrong, 'x'), /no size/);
});

test('capabilities are added and dropped as Docker does', () => {
  assert.deepEqual(capabilitySet([], [], false), defaultCapabilities);
  assert.ok(!capabilitySet([], ['CHOWN'], false).includes('CAP_CHOWN'));
  assert.ok(capabilitySet(['ALL'], ['SYS_ADMIN'], false).includes('CAP_NET_ADMIN'));
  assert.ok(!capabilitySet(['ALL'], ['SYS_ADMIN'], false).includes('CAP_SYS_ADMIN'));
});

test('a key keeps its range over restarts, keyless ranges come back, reserved ids are left out', () => {
  const root = mkdtempSync(join(tmpdir(), 'userns-'));
  try {
    const first = new UsernsRanges(root, 'b1', '');
    const app = first.take('app');
    assert.equal(first.take('app'), app);
    const plain = first.take(undefined);
    assert.notEqual(plain, app);
    first.release(plain);
    first.release(app);
    const second = new UsernsRanges(root, 'b1', `user:${app + 65_536}:65536\n`);
    assert.equal(second.take('app'), app);
    assert.ok(![app, app + 65_536].includes(second.take('other')));
  } finally {
    rmSync(root, { recursive: true });
  }
  assert.deepEqual(parseSubids('a:100000:65536\nbad\n'), [{ from: 100_000, to: 165_536 }]);
});

test('durations are spoken as docker ps does', () => {
  const spoken = [0, 1000, 59_000, 60_000, 125_000, 3_600_000, 7_200_000, 3 * 86_400_000].map(spokenDuration);
  assert.deepEqual(spoken, [
    'Less than a second',
    '1 second',
    '59 seconds',
    'About a minute',
    '2 minutes',
    'About an hour',
    '2 hours',
    '3 days',
  ]);
});
