// The steps of the engine's work that a kill may hit: how each is prepared, run, and cleaned up after, and what else must hold then.
// Data for the matrix in kill-at-each-step.test.ts and for the long random run; kills nothing itself.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeRegistry, makeImage } from '../fake-registry.ts';
import { TestRegistry } from '../registry-harness.ts';
import { filesInImage, network, type RecoveryWorld } from './recovery-world.ts';

export type Part = 'daemon' | 'helper' | 'shim' | 'dns';

export interface Step {
  name: string;
  parts: Part[];
  /** The container whose shim may be killed, or "". */
  prepare(world: RecoveryWorld): Promise<string>;
  run(world: RecoveryWorld): Promise<unknown>;
  /** Beyond what must always hold; `succeeded`: whoever asked was told that it worked. */
  check?(world: RecoveryWorld, succeeded: boolean): Promise<void>;
  clean(world: RecoveryWorld): Promise<unknown>;
}

const subject = 'subject';
const sleeper = ['guest', '/guest', 'sleep', '60000'];
const all: Part[] = ['daemon', 'helper', 'shim', 'dns'];

const docker = async (world: RecoveryWorld, ...args: string[]) => {
  const { code, stderr } = await world.engine.docker(args);
  if (code !== 0) throw new Error(stderr);
};
const remove = (world: RecoveryWorld) => world.engine.docker(['rm', '-f', '-v', subject]);
const make =
  (...args: string[]) =>
  (world: RecoveryWorld) =>
    world.docker(...args);
const run = (...args: string[]) => make('run', '-d', '--name', subject, ...args);
const statusOf = async (world: RecoveryWorld) => (await world.stateOf(subject)).Status;

const life: Step[] = [
  {
    name: 'create',
    parts: ['daemon', 'helper'],
    prepare: async () => '',
    run: (world) => docker(world, 'create', '--name', subject, '-v', '/anonymous', ...sleeper),
    check: async (world, succeeded) => {
      const { code } = await world.engine.docker(['inspect', subject]);
      if (succeeded) assert.equal(code, 0, 'what was answered is there');
    },
    clean: remove,
  },
  {
    name: 'start with a published port',
    parts: all,
    prepare: make('create', '--name', subject, '--network', network, '-p', '127.0.0.1::7001', ...sleeper),
    run: (world) => docker(world, 'start', subject),
    check: async (world, succeeded) => {
      const status = await statusOf(world);
      if (succeeded) assert.ok(['running', 'exited'].includes(status), status);
      await docker(world, 'start', subject);
      assert.equal(await statusOf(world), 'running', 'it can be started again');
    },
    clean: remove,
  },
  {
    name: 'exec',
    parts: all,
    prepare: run(...sleeper),
    run: (world) => docker(world, 'exec', subject, '/guest', 'sleep', '150'),
    clean: remove,
  },
  {
    name: 'stop',
    parts: all,
    prepare: run('--init', ...sleeper),
    run: (world) => docker(world, 'stop', '-t', '1', subject),
    check: async (world, succeeded) => {
      if (succeeded) assert.equal(await statusOf(world), 'exited');
      await docker(world, 'stop', '-t', '0', subject);
      const { Status, FinishedAt } = await world.stateOf(subject);
      assert.equal(Status, 'exited');
      assert.ok(Date.now() - Date.parse(FinishedAt) < 60_000, FinishedAt);
    },
    clean: remove,
  },
  {
    name: 'rm of a container that runs',
    parts: all,
    prepare: run('-v', '/anonymous', '--network', network, '-p', '127.0.0.1::7001', ...sleeper),
    run: (world) => docker(world, 'rm', '-f', '-v', subject),
    check: async (world, succeeded) => {
      if (succeeded) assert.notEqual((await world.engine.docker(['inspect', subject])).code, 0);
    },
    clean: remove,
  },
];

const storage: Step[] = [
  {
    name: 'commit',
    parts: ['daemon', 'helper', 'shim'],
    prepare: async (world) => {
      const id = await run('guest', '/net', 'echo', '7000')(world);
      writeFileSync(join(world.engine.root, 'containers', id, 'upper/big'), randomBytes(8_000_000));
      return id;
    },
    run: (world) => docker(world, 'commit', subject, 'committed'),
    check: async (world) => {
      const status = await statusOf(world);
      assert.ok(status === 'running' || status === 'exited', `${status} after a commit`);
    },
    clean: async (world) => {
      await remove(world);
      await world.engine.docker(['rmi', 'committed']);
    },
  },
  {
    name: 'a step of a build',
    parts: ['daemon', 'helper'],
    prepare: async () => '',
    run: async (world) => {
      const file = `FROM full\nLABEL n=${randomBytes(4).toString('hex')}\nRUN ["/guest","write","/data/file1","x"]\nRUN ["/guest","sleep","200"]\n`;
      const { code, stderr } = await world.engine.docker(['build', '-t', 'built', '-'], file);
      if (code !== 0) throw new Error(stderr);
    },
    check: async (world, succeeded) => {
      if (succeeded) await docker(world, 'run', '--rm', 'built', '/guest', 'id');
    },
    clean: async (world) => {
      await world.engine.docker(['rmi', 'built']);
      await world.engine.docker(['image', 'prune', '-f']);
    },
  },
  {
    name: 'the filling of a volume',
    parts: ['daemon', 'helper'],
    prepare: async () => '',
    run: (world) => docker(world, 'create', '--name', subject, '-v', 'filled:/data', 'full'),
    check: async (world) => {
      await remove(world);
      await docker(world, 'create', '--name', subject, '-v', 'filled:/data', 'full');
      const data = join(world.engine.root, 'volumes/filled/_data');
      assert.equal(readdirSync(data).length, filesInImage, 'a volume is full or empty, never half full');
    },
    clean: async (world) => {
      await remove(world);
      await world.docker('volume', 'rm', 'filled');
    },
  },
];

/** Steps that need another side; each has a server of its own for the time of the cell. */
let fake: FakeRegistry;
let target: TestRegistry;

const transfers: Step[] = [
  {
    name: 'the pull of a layer',
    parts: ['daemon', 'helper'],
    prepare: async () => {
      fake = await FakeRegistry.start();
      fake.add('app', 'v1', makeImage([randomBytes(3_000_000), randomBytes(1_000_000)]));
      return '';
    },
    run: (world) => docker(world, 'pull', `${fake.address}/app:v1`),
    check: (world) => docker(world, 'pull', `${fake.address}/app:v1`),
    clean: async (world) => {
      await world.engine.docker(['rmi', `${fake.address}/app:v1`]);
      fake.close();
    },
  },
  {
    name: 'the upload of a push',
    parts: ['daemon', 'helper'],
    prepare: async (world) => {
      target = await TestRegistry.start();
      await world.docker('tag', 'full', `${target.address}/full:v1`);
      return '';
    },
    run: (world) => docker(world, 'push', `${target.address}/full:v1`),
    check: (world) => docker(world, 'push', `${target.address}/full:v1`),
    clean: async (world) => {
      await world.engine.docker(['rmi', `${target.address}/full:v1`]);
      target.close();
    },
  },
];

const others: Step[] = [
  {
    name: 'network connect',
    parts: all,
    prepare: run(...sleeper),
    run: (world) => docker(world, 'network', 'connect', network, subject),
    check: async (world) => {
      if ((await statusOf(world)) === 'running') return; // its veths are looked at by checkWhole
      await docker(world, 'start', subject);
    },
    clean: remove,
  },
  {
    name: 'network create and rm',
    parts: ['daemon', 'helper'],
    prepare: async () => '',
    run: async (world) => {
      await docker(world, 'network', 'create', 'short');
      await docker(world, 'run', '--rm', '--network', 'short', 'guest', '/guest', 'id');
      await docker(world, 'network', 'rm', 'short');
    },
    clean: (world) => world.engine.docker(['network', 'rm', 'short']),
  },
  {
    name: 'the rotation of a log',
    parts: ['daemon', 'helper', 'shim'],
    prepare: run('--log-opt', 'max-size=10k', '--log-opt', 'max-file=3', 'guest', '/net', 'count'),
    run: (world) => docker(world, 'logs', subject),
    check: async (world) => {
      // A reader that is overtaken by the rotation misses what is gone; what is kept has no gap.
      await world.engine.docker(['kill', subject]);
      const logs = await world.docker('logs', subject);
      const numbers = logs.split('\n').map(Number);
      const [first = 0] = numbers;
      const wanted = numbers.map((_, at) => first + at);
      assert.deepEqual(numbers, wanted, 'no line is lost or doubled');
      const { Id } = await world.engine.client.inspectContainer(subject);
      assert.ok(readdirSync(join(world.engine.root, 'containers', Id, 'log')).length <= 3);
    },
    clean: remove,
  },
];

export const steps: Step[] = [...life, ...storage, ...transfers, ...others];
