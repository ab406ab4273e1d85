// A push to a platform whose disk is nearly full: refused with the figures before anything waits for a disk that takes no byte.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ReceiverFixture } from './receiver-fixture.ts';

let fixture: ReceiverFixture;

before(async () => {
  fixture = await ReceiverFixture.start({ BERTH_PUSH_LEAST_FREE_BYTES: String(2 ** 50) });
});

after(() => fixture.close());

test('a push to a full disk is refused with what is free and starts nothing; another branch is kept', async () => {
  const project = await fixture.project('full', { 'a.txt': 'x' });
  const pushed = await fixture.git(['push', fixture.url(), 'main'], project);
  assert.notEqual(pushed.code, 0);
  assert.match(
    pushed.text,
    / ! {5}the disk of the platform is full: [\d,]+ MiB free, 1,073,741,824 MiB are needed/,
  );
  assert.equal(fixture.controller.pushes.length, 0);
  assert.equal((await fixture.git(['push', fixture.url(), 'main:later'], project)).code, 0);
});
