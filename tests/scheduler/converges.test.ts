// Random histories of pushes, scalings, crashes, lost hosts, lost hints and killed schedulers: whatever happened, the app ends as it is wanted,
// and at no step was anything done that must never be (the fake platform checks each action).
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Scheduler } from './drive.ts';
import { FakePlatform, type Quality } from './fake-platform.ts';

type Step =
  | { kind: 'deploy'; quality: Quality; hasPhase: boolean }
  | { kind: 'restart' | 'crash' | 'run' | 'destroy' | 'newScheduler' }
  | { kind: 'scale'; type: string; to: number }
  | { kind: 'host'; host: number; isUp: boolean }
  | { kind: 'loseHost'; host: number; backAfterMs: number }
  | { kind: 'router'; isUp: boolean }
  | { kind: 'time'; ms: number; looks: boolean }
  | { kind: 'late'; ms: number };

const quality = fc.constantFrom<Quality>('good', 'good', 'crash', 'hang', 'phase-fails');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('deploy' as const), quality, hasPhase: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('restart' as const, 'crash' as const, 'run' as const, 'newScheduler' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('scale' as const),
      type: fc.constantFrom('web', 'worker'),
      to: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('host' as const), host: fc.nat(2), isUp: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('loseHost' as const),
      host: fc.nat(2),
      backAfterMs: fc.constantFrom(0, 1000, 20_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('router' as const), isUp: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.constantFrom(100, 300, 700, 3000, 15_000),
      looks: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('late' as const), ms: fc.constantFrom(0, 100, 400) }),
  },
);

const runs = Number(process.argv[2] ?? 400);

test('every random history converges to what is wanted', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 40 }),
      fc.boolean(),
      (hosts, steps, isDestroyed) => {
        const platform = new FakePlatform(hosts);
        let scheduler = new Scheduler(platform);
        for (const one of steps) {
          if (one.kind === 'newScheduler') scheduler = new Scheduler(platform);
          else perform(platform, scheduler, one);
        }
        if (isDestroyed) platform.destroy();
        heal(platform);
        scheduler.runFor(200_000, 200);
        checkConverged(platform);
      },
    ),
    { numRuns: runs },
  );
});

function perform(platform: FakePlatform, scheduler: Scheduler, one: Step): void {
  if (platform.deleted) return;
  if (one.kind === 'deploy') platform.deploy(one.quality, one.hasPhase || one.quality === 'phase-fails');
  else if (one.kind === 'restart') platform.restart();
  else if (one.kind === 'crash') platform.crashOne();
  else if (one.kind === 'run') platform.run();
  else if (one.kind === 'scale') platform.scale(one.type, one.to);
  else if (one.kind === 'host') {
    const host = platform.hosts[one.host];
    if (host) host.isUp = one.isUp;
  } else if (one.kind === 'loseHost') {
    const host = platform.hosts[one.host];
    if (host) host.isUp = false;
    runSlowly(platform, scheduler, 13_000 + one.backAfterMs);
    if (host) host.isUp = true;
  } else if (one.kind === 'router') platform.setRouter(one.isUp);
  else if (one.kind === 'late') scheduler.lateApply(() => platform.tick(one.ms));
  else if (one.kind === 'time') {
    if (one.looks) runSlowly(platform, scheduler, one.ms);
    else platform.tick(one.ms);
  }
}

function runSlowly(platform: FakePlatform, scheduler: Scheduler, ms: number): void {
  for (let at = 0; at < ms; at += 100) {
    platform.tick(100);
    scheduler.look();
  }
}

function heal(platform: FakePlatform): void {
  for (const host of platform.hosts) host.isUp = true;
  platform.setRouter(true);
}

function checkConverged(platform: FakePlatform): void {
  assert.equal(platform.deployment, null, 'a deployment never ended');
  if (platform.deleted) {
    assert.deepEqual(platform.rows, []);
    return;
  }
  const types = platform.currentReleaseId === null ? [] : platform.formation;
  const wanted = types.flatMap(({ processType, quantity }) =>
    Array.from({ length: quantity }, (_, index) => `${processType}.${index + 1}`),
  );
  const names = platform.rows.map((row) => `${row.processType}.${row.slot}`).sort();
  assert.deepEqual(names, wanted.sort());
  for (const row of platform.rows) {
    assert.equal(row.gen, platform.currentGen);
    assert.equal(row.releaseId, platform.currentReleaseId);
    const quality = platform.releases.get(row.releaseId)?.quality;
    // a bad release can only be current when nothing of it ran while it was deployed (scaled to none): then it crashes on, unrouted
    if (quality === 'crash' || quality === 'hang') {
      assert.equal(row.routed, false);
      continue;
    }
    assert.equal(row.state, 'ready');
    assert.equal(row.routed, row.processType === 'web');
  }
}
