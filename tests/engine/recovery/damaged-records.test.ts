// Records of the engine that a broken disk or a hand has damaged: the rest of the engine works, and nothing that somebody wrote is thrown away.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { network, RecoveryWorld } from './recovery-world.ts';

let world: RecoveryWorld;

before(async () => {
  world = await RecoveryWorld.open('brd1');
});
after(() => world.close());
afterEach(({ name }) => world.checkWhole(name));

const path = (...parts: string[]) => join(world.engine.root, ...parts);
const twin = (file: string) => `${file}.copy`;

/** As a torn write or a lost block leaves it. */
const damages = {
  empty: (file: string) => truncateSync(file, 0),
  'cut short': (file: string) => truncateSync(file, Math.floor(readFileSync(file).length / 2)),
  garbage: (file: string) => writeFileSync(file, Buffer.from([0, 255, 1, 254, 123])),
  'of another kind': (file: string) => writeFileSync(file, '"text"'),
};

async function damageAndRestart(damage: (file: string) => void, ...files: string[]): Promise<void> {
  await world.engine.stopDaemon('SIGKILL');
  for (const file of files) damage(file);
  await world.engine.startDaemon();
}

async function refused(wanted: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await world.engine.docker(args);
  assert.notEqual(code, 0, `docker ${args.join(' ')} is refused`);
  assert.match(stderr, wanted);
}

for (const [how, damage] of Object.entries(damages)) {
  describe(`a record that is ${how}`, () => {
    test('of a container that runs is written anew: it goes on with its name, network and port', async () => {
      const file = path('containers', world.witness, 'config.json');
      const before = readFileSync(file, 'utf8');
      await damageAndRestart(damage, file);
      assert.equal(readFileSync(file, 'utf8'), before);
      assert.equal(await world.docker('exec', 'witness', '/guest', 'say', 'x'), 'x');
    });

    test("of a container's life is told by its shim", async () => {
      const { StartedAt } = await world.stateOf(world.witness);
      await damageAndRestart(damage, path('containers', world.witness, 'life.json'));
      assert.equal((await world.stateOf(world.witness)).StartedAt, StartedAt);
    });

    test('of a container at rest keeps what it wrote, says so, and can be removed', async () => {
      const write = ['guest', '/guest', 'write', '/tmp/kept', 'precious'];
      const id = await world.docker('create', '--name', 'torn', ...write);
      await world.docker('start', '-a', 'torn');
      const file = path('containers', id, 'config.json');
      await damageAndRestart(damage, file);
      const name = `damaged-${id.slice(0, 12)}`;
      await refused(/record of container "damaged-.*" is damaged .*upper.*create it again/, 'start', id);
      assert.equal(await world.docker('ps', '-a', '-f', `name=${name}`, '--format', '{{.Names}}'), name);
      assert.equal(readFileSync(path('containers', id, 'upper/tmp/kept'), 'utf8'), 'precious');
      await world.docker('rm', name);
      assert.equal(existsSync(path('containers', id)), false);
    });

    test('of the networks has a twin: the network of running containers stays what it was', async () => {
      const about = ['network', 'inspect', '-f', '{{.Id}} {{json .IPAM.Config}}', network];
      const before = await world.docker(...about);
      await damageAndRestart(damage, path('networks.json'), path('network-pool.json'));
      assert.equal(await world.docker(...about), before);
      assert.equal(
        await world.docker('run', '--rm', '--network', network, 'guest', '/net', 'resolve', 'witness', '28'),
        'witness: code 0',
      );
    });

    test('of a volume has a twin, and so have the ranges of user ids', async () => {
      await world.docker(
        'volume',
        'create',
        '--label',
        'a=b',
        '-o',
        'type=tmpfs',
        '-o',
        'device=tmpfs',
        'vol',
      );
      const keyed = ['create', '--label', 'berth.userns=app', 'guest', '/guest', 'id'];
      const one = await world.docker(...keyed);
      await damageAndRestart(damage, path('volumes/vol/volume.json'), path('userns.json'));
      assert.equal(
        await world.docker('volume', 'inspect', '-f', '{{.Labels.a}} {{.Options.type}}', 'vol'),
        'b tmpfs',
      );
      const two = await world.docker(...keyed);
      assert.equal(rangeOf(two), rangeOf(one), 'one key, one range');
      await world.docker('rm', one, two);
      await world.docker('volume', 'rm', 'vol');
    });

    test('of an image makes it unknown, and the same image loaded again is whole', async () => {
      const archive = join(world.engine.dir, 'full.tar');
      await world.docker('save', '-o', archive, 'full');
      const id = await world.docker('image', 'inspect', '-f', '{{.Id}}', 'full');
      const other = await world.docker('create', 'full');
      await damageAndRestart(damage, path('images', `${id.slice('sha256:'.length)}.json`));
      await refused(/No such image: full/, 'image', 'inspect', 'full');
      await world.docker('start', '-a', other);
      await world.docker('rm', other);
      await world.docker('load', '-i', archive);
      assert.equal(await world.docker('image', 'inspect', '-f', '{{.Id}}', 'full'), id);
      assert.equal(await world.docker('run', '--rm', 'full', '/guest', 'cat', '/data/file7'), 'file 7');
    });
  });
}

function rangeOf(id: string): number {
  return (JSON.parse(readFileSync(path('containers', id, 'config.json'), 'utf8')) as { usernsBase: number })
    .usernsBase;
}

test('networks whose record and its twin are both gone are made anew out of the containers that run', async () => {
  const about = ['network', 'inspect', '-f', '{{.Id}} {{json .IPAM.Config}}', network];
  const before = await world.docker(...about);
  await damageAndRestart(damages.garbage, path('networks.json'), twin(path('networks.json')));
  assert.equal(await world.docker(...about), before);
  const other = await world.docker('run', '-d', 'guest', '/guest', 'sleep', '60000');
  assert.notEqual((await world.engine.addressOf(other)).split('.')[2], before.split('.')[2]);
  await world.docker('rm', '-f', other);
});
