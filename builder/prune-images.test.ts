// Old images are dropped with the list of the controller, never beside a build, and the worker goes on whatever happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '@berth/kit/logging.ts';
import { pruneOnce } from './prune-images.ts';

function parts(active: () => number, prune: (keep: readonly string[]) => Promise<unknown>) {
  const calls: string[] = [];
  const worker = {
    pause: async () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
  };
  const engine = {
    inspectImage: async () => undefined,
    listImages: async () => [],
    removeImage: async () => {},
    prune: (keep: readonly string[]) => {
      calls.push(`prune ${keep.join(' ')}`);
      return prune(keep);
    },
  };
  const controller = { imagesToKeep: async () => ['sha256:a', 'sha256:b'] };
  return {
    calls,
    parts: {
      engine,
      controller,
      ownImages: () => ['sha256:own'],
      caches: { dir: '/nonexistent', bytes: 0 },
      worker,
      activeBuilds: active,
      log: createLogger('test', 'silent'),
    },
  };
}

test('the engine is told what to keep while no build is taken', async () => {
  const { calls, parts: given } = parts(
    () => 0,
    async () => ({}),
  );
  assert.equal(await pruneOnce(given), true);
  assert.deepEqual(calls, ['pause', 'prune sha256:a sha256:b sha256:own', 'resume']);
});

test('nothing happens beside a build, not even one that began a moment ago', async () => {
  const running = parts(
    () => 1,
    async () => ({}),
  );
  assert.equal(await pruneOnce(running.parts), false);
  assert.deepEqual(running.calls, []);
  let asked = 0;
  const began = parts(
    () => asked++,
    async () => ({}),
  );
  assert.equal(await pruneOnce(began.parts), false);
  assert.deepEqual(began.calls, ['pause', 'resume']);
});

test('an engine that fails leaves the worker going', async () => {
  const { calls, parts: given } = parts(
    () => 0,
    async () => Promise.reject(new Error('away')),
  );
  await assert.rejects(pruneOnce(given), /away/);
  assert.equal(calls.at(-1), 'resume');
});
