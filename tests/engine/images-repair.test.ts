// The image store under bad conditions: lost layers, damaged blobs, a full disk, a quota, and garbage among things that are needed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { guestTar, TestEngine } from './engine-harness.ts';
import { digestOf, type FakeImage, FakeRegistry, makeImage } from './fake-registry.ts';
import { makeTar } from './make-tar.ts';
import { ask, TestRegistry } from './registry-harness.ts';

const mib = 1024 * 1024;

let engine: TestEngine;
let registry: FakeRegistry;

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

async function refused(wanted: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr, stdout } = await engine.docker(args);
  assert.notEqual(code, 0, `docker ${args.join(' ')} is refused`);
  assert.match(stderr + stdout, wanted);
}

const layerDir = (diffId: string) => join(engine.root, 'layers', diffId.slice('sha256:'.length));
const blobFile = (digest: string) => {
  const hex = digest.slice('sha256:'.length);
  return join(engine.root, 'blobs/sha256', hex.slice(0, 2), hex);
};
const image = (bytes: number, layers = 1): FakeImage =>
  makeImage(Array.from({ length: layers }, () => randomBytes(bytes)));
const name = (tag: string) => `${registry.address}/app:${tag}`;
const unfinished = () =>
  readdirSync(join(engine.root, 'layers')).filter((entry) => entry.startsWith('.tmp-'));

before(async () => {
  engine = new TestEngine('brep');
  // A small disk of its own, so that it can be filled.
  mkdirSync(engine.root, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=711', 'tmpfs', engine.root]);
  engine.settings['BERTH_ENGINE_STORE_GRACE'] = '0';
  await engine.startDaemon();
});
after(async () => {
  try {
    await engine.removeAll();
  } finally {
    await engine.stopDaemon('SIGTERM');
    execFileSync('umount', [engine.root]);
  }
  await engine.checkClean();
});
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(async () => {
  registry.close();
  await docker('image', 'prune', '-a', '-f');
});

describe('repair', () => {
  test('an image that lost a layer is refused with its name, and a pull brings the layer back', async () => {
    const one = image(100_000, 2);
    registry.add('app', 'v1', one);
    await docker('pull', name('v1'));
    const [lost] = one.layers;
    const container = (await docker('create', name('v1'))).trim();
    rmSync(layerDir(lost?.diffId ?? ''), { recursive: true });
    await refused(
      new RegExp(`has lost its layer "${lost?.diffId}"`),
      'create',
      '--pull',
      'never',
      name('v1'),
    );
    await refused(
      /layer ".*" of its image is lost or damaged \(pull or load the image again/,
      'start',
      container,
    );
    await docker('rm', container);
    await refused(/lost its layer/, 'save', '-o', join(engine.dir, 'no.tar'), name('v1'));
    const pulled = await docker('pull', name('v1'));
    assert.equal(pulled.match(/: Already exists$/gm)?.length, 1);
    assert.equal(pulled.match(/: Pull complete$/gm)?.length, 1);
    await docker('rm', (await docker('create', name('v1'))).trim());
  });

  test('so it is when only the files of the layer are gone, also for a daemon that starts anew', async () => {
    const one = image(100_000);
    registry.add('app', 'v1', one);
    await docker('pull', name('v1'));
    rmSync(join(layerDir(one.layers[0]?.diffId ?? ''), 'diff'), { recursive: true });
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    await refused(/No such image/, 'image', 'inspect', name('v1'));
    await docker('pull', name('v1'));
    assert.ok(existsSync(join(layerDir(one.layers[0]?.diffId ?? ''), 'diff/file0')));
  });

  test('a run pulls the image whose layer is gone', async () => {
    const tar = guestTar(engine.dir);
    const layer = await engine.client.makeLayer(Readable.from([tar]), { mtime: 0 });
    const own = await TestRegistry.start();
    try {
      const reference = `${own.address}/guest:v1`;
      await engine.client.makeImage({
        config: { architecture: 'amd64', os: 'linux', config: { Cmd: ['/guest', 'id'] } },
        layers: [layer.diffId],
        tags: [reference],
      });
      await docker('push', reference);
      rmSync(layerDir(layer.diffId), { recursive: true });
      assert.equal(await docker('run', '--rm', reference), 'uid=0 gid=0 groups=0\n');
    } finally {
      own.close();
    }
  });

  test('a layer whose files were changed is not pushed as what it was', async () => {
    const layer = await engine.client.makeLayer(
      Readable.from([makeTar([{ name: 'data', content: 'as it was' }])]),
      { mtime: 0 },
    );
    const config = { architecture: 'amd64', os: 'linux', config: {} };
    await engine.client.makeImage({ config, layers: [layer.diffId], tags: [name('own')] });
    appendFileSync(join(layerDir(layer.diffId), 'diff/data'), ' and more');
    await refused(/is damaged on disk/, 'push', name('own'));
    await refused(/has lost its layer/, 'create', '--pull', 'never', name('own'), 'x');
    assert.equal(registry.manifests.size, 0, 'no tag was left at the registry');
  });

  test('a torn blob is noticed before it is pushed, and the next pull replaces it', async () => {
    const one = image(300_000);
    registry.add('app', 'v1', one);
    await docker('pull', name('v1'));
    const { digest = '' } = one.layers[0] ?? {};
    const size = statSync(blobFile(digest)).size;
    writeFileSync(blobFile(digest), randomBytes(size));
    await engine.stopDaemon('SIGTERM');
    await engine.startDaemon();
    const own = await TestRegistry.start();
    try {
      const reference = `${own.address}/app:v1`;
      await docker('tag', name('v1'), reference);
      await refused(/is damaged/, 'push', reference);
      await docker('pull', name('v1'));
      await docker('push', reference);
      const { status } = await ask(own.address, 'HEAD', `/v2/app/blobs/${digest}`);
      assert.equal(status, 200);
    } finally {
      own.close();
    }
  });
});

describe('a full disk', () => {
  test('a pull that does not fit says so and leaves nothing; when there is room it succeeds', async () => {
    const one = image(20 * mib);
    registry.add('app', 'v1', one);
    const filler = join(engine.root, 'filler');
    writeFileSync(filler, Buffer.alloc(20 * mib));
    await refused(/no space left/i, 'pull', name('v1'));
    assert.deepEqual(unfinished(), []);
    await refused(/No such image/, 'image', 'inspect', name('v1'));
    rmSync(filler);
    await docker('pull', name('v1'));
  });

  test('over the quota what nobody names goes first, then a pull is refused with what to do', async () => {
    engine.settings['BERTH_ENGINE_DISK_QUOTA'] = '20m';
    await engine.stopDaemon('SIGTERM');
    await engine.startDaemon();
    try {
      const images = [image(4 * mib), image(4 * mib), image(4 * mib)];
      for (const [at, one] of images.entries()) registry.add('app', `v${at}`, one);
      await docker('pull', name('v0'));
      await docker('pull', name('v1'));
      await refused(
        /disk quota of the engine is used up: .* \(remove images with "docker image prune -a"/,
        'pull',
        name('v2'),
      );
      // The name moves to another image: what it meant before may go.
      await docker('tag', name('v1'), name('v0'));
      await docker('pull', name('v2'));
      assert.equal(existsSync(layerDir(images[0]?.layers[0]?.diffId ?? '')), false);
      assert.equal(existsSync(layerDir(images[1]?.layers[0]?.diffId ?? '')), true);
      const tar = makeTar([{ name: 'big', content: randomBytes(8 * mib) }]);
      await assert.rejects(engine.client.makeLayer(Readable.from([tar]), {}), /more than|larger|quota/);
      assert.deepEqual(unfinished(), []);
    } finally {
      delete engine.settings['BERTH_ENGINE_DISK_QUOTA'];
      await engine.stopDaemon('SIGTERM');
      await engine.startDaemon();
    }
  });
});

describe('garbage', () => {
  test('an image without a name that a release keeps outlives every prune until the platform lets it go', async () => {
    const layer = await engine.client.makeLayer(
      Readable.from([makeTar([{ name: 'app', content: 'v1' }])]),
      {},
    );
    const kept = await engine.client.makeImage({
      config: { architecture: 'amd64', os: 'linux', config: {} },
      layers: [layer.diffId],
    });
    await docker('image', 'prune', '-a', '-f');
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    await docker('image', 'prune', '-f');
    assert.ok((await docker('images', '-q', '--no-trunc')).includes(kept));
    await engine.client.prune([kept]);
    await docker('image', 'prune', '-f');
    assert.ok((await docker('images', '-q', '--no-trunc')).includes(kept));
    await engine.client.prune([]);
    assert.equal((await docker('images', '-q', '--no-trunc')).includes(kept), false);
    assert.equal(existsSync(layerDir(layer.diffId)), false);
  });

  test('so does what the platform had built of a Dockerfile', async () => {
    await engine.makeImage();
    const tar = makeTar([{ name: 'Dockerfile', content: 'FROM guest\nLABEL a=b\n' }]);
    const lines = engine.client.buildImage(Readable.from([tar]), {
      buildArgs: {},
      labels: {},
      memoryBytes: 0,
      cpuShares: 0,
      diskBytes: 8 * mib,
      network: 'none',
      scope: 'app-1',
      signal: AbortSignal.timeout(20_000),
    });
    let built = '';
    for await (const line of lines) built = line.aux?.ID ?? built;
    await docker('image', 'prune', '-a', '-f');
    assert.ok((await docker('images', '-q', '--no-trunc')).includes(built) && built !== '');
    await engine.client.prune([]);
    assert.equal((await docker('images', '-q', '--no-trunc')).includes(built), false);
  });

  test('blobs go with the last image that came in them, and not before', async () => {
    const shared = image(50_000, 2);
    registry.add('app', 'v1', shared);
    registry.add('app', 'v2', makeImageOn(shared));
    await docker('pull', name('v1'));
    await docker('pull', name('v2'));
    const [first] = shared.layers;
    await docker('rmi', name('v1'));
    assert.equal(existsSync(blobFile(first?.digest ?? '')), true, 'the other image needs it');
    await docker('rmi', name('v2'));
    assert.equal(existsSync(blobFile(first?.digest ?? '')), false);
    assert.equal(existsSync(blobFile(shared.digest)), false, 'nor is the manifest left');
  });

  test('the layers of a container stay when its image is removed by force', async () => {
    const one = image(50_000);
    registry.add('app', 'v1', one);
    await docker('pull', name('v1'));
    const container = (await docker('create', name('v1'))).trim();
    await docker('rmi', '-f', name('v1'));
    await docker('image', 'prune', '-a', '-f');
    assert.equal(existsSync(layerDir(one.layers[0]?.diffId ?? '')), true);
    await docker('rm', container);
    await docker('image', 'prune', '-a', '-f');
    assert.equal(existsSync(layerDir(one.layers[0]?.diffId ?? '')), false);
  });
});

/** The same layers under another config. */
function makeImageOn(base: FakeImage): FakeImage {
  const config = base.config.replace('/file0', '/file1');
  const manifest = base.manifest.replace(
    /"config":\{[^}]*\}/,
    `"config":${JSON.stringify({
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    })}`,
  );
  return { ...base, config, manifest, digest: digestOf(manifest) };
}
