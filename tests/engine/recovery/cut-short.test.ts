// What a daemon that was killed between two steps leaves, made by hand so that each place is hit: the next daemon goes on from there.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { filesInImage, RecoveryWorld } from './recovery-world.ts';

let world: RecoveryWorld;

before(async () => {
  world = await RecoveryWorld.open('brc1');
});
after(() => world.close());
afterEach(({ name }) => world.checkWhole(name));

const path = (...parts: string[]) => join(world.engine.root, ...parts);

/** What the dead daemon had done last. */
async function whileDead(work: () => void): Promise<void> {
  await world.engine.stopDaemon('SIGKILL');
  work();
  await world.engine.startDaemon();
}

test('a volume that was being filled is empty again, and the next container that is made fills it', async () => {
  await world.docker('volume', 'create', 'half');
  await whileDead(() => {
    writeFileSync(path('volumes/half/_data/file0'), 'fi');
    writeFileSync(path('volumes/half/filling'), '');
  });
  assert.deepEqual(readdirSync(path('volumes/half/_data')), []);
  const id = await world.docker('create', '-v', 'half:/data', 'full');
  assert.equal(readdirSync(path('volumes/half/_data')).length, filesInImage);
  assert.equal(existsSync(path('volumes/half/filling')), false);
  await world.docker('rm', id);
  await whileDead(() => {});
  assert.equal(readdirSync(path('volumes/half/_data')).length, filesInImage, 'and then it stays');
  await world.docker('volume', 'rm', 'half');
});

test('the bridge of a network that was being removed goes', async () => {
  await world.docker('network', 'create', 'going');
  await world.docker('run', '--rm', '--network', 'going', 'guest', '/guest', 'id');
  const records = JSON.parse(readFileSync(path('networks.json'), 'utf8')) as {
    name: string;
    bridge: string;
  }[];
  const bridge = records.find(({ name }) => name === 'going')?.bridge ?? '';
  assert.ok(existsSync(`/sys/class/net/${bridge}`));
  await whileDead(() => {
    const others = JSON.stringify(records.filter(({ name }) => name !== 'going'));
    for (const name of ['networks.json', 'networks.json.copy']) writeFileSync(path(name), others);
  });
  assert.equal(existsSync(`/sys/class/net/${bridge}`), false);
});

test('a container whose writable layer had just become a layer of the store has an empty one again', async () => {
  const id = await world.docker('create', 'guest', '/guest', 'say', 'again');
  await whileDead(() => {
    for (const name of ['upper', 'work']) rmSync(path('containers', id, name), { recursive: true });
  });
  assert.equal(await world.docker('start', '-a', id), 'again');
  await world.docker('rm', id);
});

test('a create that had no record yet, a removal and a layer that were under way leave nothing', async () => {
  const id = 'c'.repeat(64);
  await whileDead(() => {
    mkdirSync(path('containers', id, 'upper'), { recursive: true });
    mkdirSync(path('containers', `.dead-${id}`, 'upper/tmp'), { recursive: true });
    mkdirSync(path('layers/.tmp-0123456789abcdef/diff'), { recursive: true });
    mkdirSync(path('volumes/.dead-0123456789abcdef/_data'), { recursive: true });
    mkdirSync(join(world.engine.run, 'build/step'), { recursive: true });
    mkdirSync(join(world.engine.run, 'containers', id));
  });
});
