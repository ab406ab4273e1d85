// Images go to registries and come back: Debian's docker-registry and our own, with skopeo and podman on the other side, digests unchanged.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, zstdCompressSync } from 'node:zlib';
import { TestEngine } from './engine-harness.ts';
import { digestOf } from './fake-registry.ts';
import { DockerDaemon, lacks, podmanArgs, run, runOk } from './registry-clients.ts';
import { ask, freePort, makeLayout, TestRegistry } from './registry-harness.ts';

let engine: TestEngine;
let dir = '';

before(async () => {
  engine = await TestEngine.start('bpush');
  dir = mkdtempSync('/var/tmp/pull-push-');
});
after(async () => {
  rmSync(dir, { recursive: true, force: true });
  await engine.close();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

const repoDigests = async (name: string) =>
  JSON.parse(await docker('image', 'inspect', '--format', '{{json .RepoDigests}}', name)) as string[];

/** The manifest a tag stands for, byte for byte. */
async function manifestOf(address: string, repository: string, reference: string) {
  const accept = ['index.v1', 'manifest.v1'].map((kind) => `application/vnd.oci.image.${kind}+json`);
  const dockerTypes = ['manifest.v2', 'manifest.list.v2'].map(
    (kind) => `application/vnd.docker.distribution.${kind}+json`,
  );
  const { status, text } = await ask(address, 'GET', `/v2/${repository}/manifests/${reference}`, {
    headers: { Accept: [...accept, ...dockerTypes].join(', ') },
  });
  assert.equal(status, 200, text);
  return {
    digest: digestOf(text),
    value: JSON.parse(text) as { mediaType: string; layers: { mediaType: string; digest: string }[] },
  };
}

const skopeo = (...args: string[]) =>
  runOk('skopeo', ['--insecure-policy', ...args, '--src-tls-verify=false', '--dest-tls-verify=false'], {
    HOME: dir,
  });

interface Registry {
  address: string;
  stop: () => void;
}

async function debianRegistry(): Promise<Registry> {
  const address = `127.0.0.1:${await freePort()}`;
  const own = mkdtempSync(join(dir, 'registry-'));
  const config = join(own, 'config.json');
  const storage = { filesystem: { rootdirectory: join(own, 'data') }, delete: { enabled: true } };
  writeFileSync(
    config,
    JSON.stringify({ version: '0.1', storage, http: { addr: address }, log: { level: 'error' } }),
  );
  const registry: ChildProcess = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const deadline = Date.now() + 10_000;
  while ((await ask(address, 'GET', '/v2/').catch(() => undefined))?.status !== 200)
    if (Date.now() > deadline || registry.exitCode !== null) assert.fail('docker-registry does not start');
  return { address, stop: () => registry.kill('SIGKILL') };
}

async function ownRegistry(): Promise<Registry> {
  const registry = await TestRegistry.start();
  return { address: registry.address, stop: () => registry.close() };
}

const registries: [string, () => Promise<Registry>, string | false, string][] = [
  ["Debian's docker-registry", debianRegistry, lacks('docker-registry', 'skopeo'), 'gzip'],
  ['our own registry', ownRegistry, lacks('skopeo'), 'zstd'],
];

for (const [what, start, skip, compression] of registries) {
  describe(what, { skip }, () => {
    let registry: Registry;
    const at = (repository: string) => `${registry.address}/${repository}`;

    before(async () => {
      registry = await start();
    });
    after(() => registry?.stop());

    test(`a pushed image is ${compression}, and comes back as the same image`, async () => {
      await docker('tag', 'guest', at('team/guest:v1'));
      const pushed = await docker('push', at('team/guest:v1'));
      const { digest, value } = await manifestOf(registry.address, 'team/guest', 'v1');
      assert.match(pushed, /^The push refers to repository \[127\.0\.0\.1:\d+\/team\/guest\]$/m);
      assert.match(pushed, /^[0-9a-f]{12}: Pushed$/m);
      assert.match(pushed, new RegExp(`^v1: digest: ${digest} size: \\d+$`, 'm'));
      assert.match(value.layers[0]?.mediaType ?? '', new RegExp(`\\+${compression}$`));
      assert.deepEqual(await repoDigests(at('team/guest:v1')), [`${at('team/guest')}@${digest}`]);
      assert.match(await docker('push', at('team/guest:v1')), /^[0-9a-f]{12}: Layer already exists$/m);
      await docker('rmi', at('team/guest:v1'));
      const pulled = await docker('pull', at('team/guest:v1'));
      assert.match(pulled, new RegExp(`^Digest: ${digest}$`, 'm'));
      assert.equal((await docker('images', '-q', '--no-trunc', at('team/guest:v1'))).trim(), engine.image);
      assert.equal(await docker('run', '--rm', at('team/guest:v1')), 'uid=0 gid=0 groups=0\n');
      await docker('rmi', at('team/guest:v1'));
    });

    test('layers that another repository has are mounted, not sent', async () => {
      await docker('tag', 'guest', at('first/app'));
      await docker('push', at('first/app'));
      await docker('tag', 'guest', at('second/app'));
      const pushed = await docker('push', at('second/app'));
      assert.match(pushed, /^[0-9a-f]{12}: Mounted from (?:first\/app|team\/guest)$/m);
      await docker('rmi', at('first/app'), at('second/app'));
    });

    for (const kind of ['gzip', 'zstd', 'none', 'docker'] as const) {
      test(`an image of others, ${kind}, keeps its digests when it is pulled and pushed again`, async () => {
        const source = join(dir, `${kind}-${compression}`);
        const layout = recompressed(source, kind);
        const more = kind === 'docker' ? ['--format', 'v2s2'] : [];
        await skopeo('copy', ...more, `oci:${layout}:v1`, `docker://${at(`theirs/${kind}`)}:v1`);
        const theirs = await manifestOf(registry.address, `theirs/${kind}`, 'v1');
        const pulled = await docker('pull', at(`theirs/${kind}:v1`));
        assert.equal(pulled.match(/^[0-9a-f]{12}: Pull complete$/gm)?.length, 2, pulled);
        assert.match(pulled, /^Status: Downloaded newer image for .*:v1$/m);
        await docker('tag', at(`theirs/${kind}:v1`), at(`again/${kind}:v2`));
        await docker('push', at(`again/${kind}:v2`));
        const again = await manifestOf(registry.address, `again/${kind}`, 'v2');
        assert.equal(again.digest, theirs.digest);
        assert.equal(again.value.mediaType.includes('docker'), kind === 'docker');
        await docker('rmi', at(`theirs/${kind}:v1`), at(`again/${kind}:v2`));
      });
    }

    test('of an index the right platform is taken, and the index is what the name stands for', async () => {
      const plain = recompressed(join(dir, `index-${compression}`), 'none');
      await skopeo('copy', `oci:${plain}:v1`, `docker://${at('multi')}:foreign`);
      const { layout } = makeLayout(mkdtempSync(join(dir, 'index-')));
      await skopeo('copy', `oci:${layout}:v1`, `docker://${at('multi')}:native`);
      const entry = async (tag: string, architecture: string) => {
        const { value, digest } = await manifestOf(registry.address, 'multi', tag);
        const size = Buffer.byteLength(JSON.stringify(value));
        return { mediaType: value.mediaType, digest, size, platform: { os: 'linux', architecture } };
      };
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const manifests = [await entry('foreign', 's390x'), await entry('native', 'amd64')];
      const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
      const put = await ask(registry.address, 'PUT', '/v2/multi/manifests/v1', {
        headers: { 'Content-Type': mediaType },
        body: index,
      });
      assert.equal(put.status, 201, put.text);
      await docker('pull', at('multi:v1'));
      assert.deepEqual(await repoDigests(at('multi:v1')), [`${at('multi')}@${digestOf(index)}`]);
      await docker('tag', at('multi:v1'), at('single:v1'));
      await docker('push', at('single:v1'));
      assert.equal((await manifestOf(registry.address, 'single', 'v1')).digest, manifests[1]?.digest);
      const missing = await engine.docker(['pull', '--platform', 'linux/riscv64', at('multi:v1')]);
      assert.match(missing.stderr, /no matching manifest for linux\/riscv64/);
      await docker('rmi', at('multi:v1'), at('single:v1'));
    });

    test('by digest, all tags, and names that are not there', async () => {
      await docker('tag', 'guest', at('many:one'));
      await docker('tag', 'guest', at('many:two'));
      await docker('push', '-a', at('many'));
      const { digest } = await manifestOf(registry.address, 'many', 'two');
      await docker('rmi', at('many:one'), at('many:two'));
      assert.equal(await docker('pull', '-q', `${at('many')}@${digest}`), `${at('many')}@${digest}\n`);
      const line = `${at('many')} <none> ${digest}`;
      const list = await docker('images', '--digests', '--format', '{{.Repository}} {{.Tag}} {{.Digest}}');
      assert.ok(list.split('\n').includes(line), list);
      assert.equal(await docker('run', '--rm', `${at('many')}@${digest}`), 'uid=0 gid=0 groups=0\n');
      await docker('pull', '-a', at('many'));
      assert.equal((await docker('images', '-q', at('many'))).trim().split('\n').length, 2);
      const removed = await docker('rmi', at('many:one'), at('many:two'));
      assert.match(removed, new RegExp(`^Untagged: ${at('many')}@${digest}$`, 'm'));
      const missing = await engine.docker(['pull', at('many:three')]);
      assert.match(missing.stderr, /manifest for .*many:three not found: manifest unknown/);
    });

    test('skopeo and podman take what the engine pushes', { skip: lacks('podman') }, async () => {
      await docker('tag', 'guest', at('ours:v1'));
      await docker('push', at('ours:v1'));
      const { digest } = await manifestOf(registry.address, 'ours', 'v1');
      const copy = join(dir, `copy-${compression}`);
      await skopeo('copy', '--preserve-digests', `docker://${at('ours')}:v1`, `oci:${copy}:v1`);
      const index = JSON.parse(readFileSync(join(copy, 'index.json'), 'utf8')) as {
        manifests: { digest: string }[];
      };
      assert.equal(index.manifests[0]?.digest, digest);
      const podman = podmanArgs(join(dir, `podman-${compression}`));
      const pulled = await run('podman', [...podman, 'pull', '-q', '--tls-verify=false', at('ours:v1')]);
      assert.equal(pulled.code, 0, pulled.stderr);
      assert.equal(`sha256:${pulled.stdout.trim()}`, engine.image);
      await runOk('podman', [...podman, 'push', '-q', '--tls-verify=false', at('ours:v1'), at('podman:v1')]);
      await docker('pull', at('podman:v1'));
      assert.equal(await docker('run', '--rm', at('podman:v1')), 'uid=0 gid=0 groups=0\n');
      await docker('rmi', '-f', at('ours:v1'), at('podman:v1'));
    });
  });
}

describe("Docker's daemon", { skip: lacks('docker-registry', 'dockerd') }, () => {
  let registry: Registry;
  let daemon: DockerDaemon | undefined;

  before(async () => {
    registry = await debianRegistry();
    daemon = await DockerDaemon.start(dir);
  });
  after(async () => {
    await daemon?.stop();
    registry?.stop();
  });

  test('pulls what the engine pushes, and what it pushes keeps its digest in the engine', async () => {
    const at = (name: string) => `${registry.address}/exchange:${name}`;
    assert.ok(daemon);
    await docker('tag', 'guest', at('ours'));
    await docker('push', at('ours'));
    await daemon.dockerOk(['pull', '-q', at('ours')]);
    const id = await daemon.dockerOk(['image', 'inspect', '-f', '{{.Id}}', at('ours')]);
    assert.equal(id.trim(), engine.image);
    await daemon.dockerOk(['tag', at('ours'), at('theirs')]);
    await daemon.dockerOk(['push', '-q', at('theirs')]);
    const { digest } = await manifestOf(registry.address, 'exchange', 'theirs');
    await docker('pull', at('theirs'));
    await docker('tag', at('theirs'), `${registry.address}/back:v1`);
    await docker('push', `${registry.address}/back:v1`);
    assert.equal((await manifestOf(registry.address, 'back', 'v1')).digest, digest);
    await docker('rmi', at('ours'), at('theirs'), `${registry.address}/back:v1`);
  });

  test('loads what the engine saves, and the other way round', async () => {
    assert.ok(daemon);
    const [ours, theirs] = [join(dir, 'ours.tar'), join(dir, 'theirs.tar')];
    await docker('tag', 'guest', 'archived:v1');
    await docker('save', '-o', ours, 'archived:v1');
    assert.equal(await daemon.dockerOk(['load', '-i', ours]), 'Loaded image: archived:v1\n');
    await daemon.dockerOk(['tag', 'archived:v1', 'archived:v2']);
    await daemon.dockerOk(['save', '-o', theirs, 'archived:v2']);
    assert.equal(await docker('load', '-i', theirs), 'Loaded image: archived:v2\n');
    assert.equal((await docker('images', '-q', '--no-trunc', 'archived:v2')).trim(), engine.image);
    await docker('rmi', 'archived:v1', 'archived:v2');
  });
});

/** The small image in another compression, as an OCI layout. */
function recompressed(path: string, kind: 'gzip' | 'zstd' | 'none' | 'docker'): string {
  mkdirSync(path, { recursive: true });
  const { layout, manifest } = makeLayout(path);
  if (kind === 'gzip' || kind === 'docker') return layout;
  const blob = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length));
  const value = JSON.parse(readFileSync(blob(manifest), 'utf8')) as {
    layers: { mediaType: string; digest: string; size: number }[];
  };
  for (const layer of value.layers) {
    const tar = gunzipSync(readFileSync(blob(layer.digest)));
    const bytes = kind === 'zstd' ? zstdCompressSync(tar) : tar;
    layer.mediaType = layer.mediaType.replace(/\+gzip$/, kind === 'zstd' ? '+zstd' : '');
    layer.digest = digestOf(bytes);
    layer.size = bytes.length;
    writeFileSync(blob(layer.digest), bytes);
  }
  const text = JSON.stringify(value);
  writeFileSync(blob(digestOf(text)), text);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const entry = { mediaType, digest: digestOf(text), size: text.length, annotations };
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return layout;
}
