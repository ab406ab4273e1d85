/**
 * The registry as a part of the engine: the docker CLI pushes to it and pulls from it through our engines, an engine's image is had
 * from its registry without a push, and what comes from a registry behind it is kept. Needs root and the docker CLI.
 */
import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { TestEngine } from './engine-harness.ts';
import { lacks, runOk } from './registry-clients.ts';
import { ask, freePort, type LayoutImage, makeLayout, TestRegistry } from './registry-harness.ts';

const program = resolve(import.meta.dirname, '../../engine-native/daemon/bin/berth-engine');
const skip = lacks('docker', 'skopeo');
const password = 'a password of ci';
let server: TestEngine;
let client: TestEngine;
let behind: TestRegistry;
let image: LayoutImage;
let address = '';

before(async () => {
  if (skip) return;
  behind = await TestRegistry.start();
  image = makeLayout(behind.dir);
  server = new TestEngine('brs');
  address = `127.0.0.1:${await freePort()}`;
  server.settings['BERTH_ENGINE_REGISTRY'] = address;
  server.settings['BERTH_ENGINE_REGISTRY_PROXY'] = `behind=${behind.address}`;
  await server.startDaemon();
  await server.makeImage();
  client = new TestEngine('brc');
  await client.startDaemon();
  const rights = ['--repo', '*', '--pull', '--push', '--delete'];
  await runOk(program, ['registry', 'user', 'add', 'ci', '--root', server.root, ...rights], {}, password);
});
after(async () => {
  if (skip) return;
  await Promise.all([client.close(), server.close()]);
  behind.close();
});

async function dockerOk(engine: TestEngine, args: string[], input?: string): Promise<string> {
  const ran = await engine.docker(args, input);
  assert.equal(ran.code, 0, `docker ${args.join(' ')}: ${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}

test('docker logs in, pushes and pulls between two engines, and the image runs', { skip }, async () => {
  const name = `${address}/team/guest:v1`;
  await dockerOk(server, ['tag', 'guest', name]);
  assert.notEqual((await server.docker(['push', name])).code, 0);
  assert.notEqual((await client.docker(['pull', name])).code, 0);
  for (const engine of [server, client]) {
    const login = ['login', address, '-u', 'ci', '--password-stdin'];
    assert.notEqual((await engine.docker(login, 'a wrong password')).code, 0);
    assert.match(await dockerOk(engine, login, password), /Login Succeeded/);
  }
  const pushed = await dockerOk(server, ['push', name]);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? 'none';
  assert.match(await dockerOk(client, ['pull', name]), new RegExp(`Digest: ${digest}`));
  assert.match(await dockerOk(client, ['run', '--rm', name, '/guest', 'id']), /uid/);
  assert.match(await dockerOk(client, ['push', name]), /Layer already exists|Mounted from/);
});

test("an engine's image is pulled from its registry without a push, by our engine and by skopeo", {
  skip,
}, async () => {
  await dockerOk(server, ['tag', 'guest', 'berth/own:v3']);
  await dockerOk(client, ['login', address, '-u', 'ci', '--password-stdin'], password);
  const name = `${address}/berth/own:v3`;
  await dockerOk(client, ['pull', name]);
  assert.match(await dockerOk(client, ['run', '--rm', name, '/guest', 'id']), /uid/);
  await runOk('skopeo', [
    ...['copy', '--quiet', '--src-tls-verify=false', '--src-creds', `ci:${password}`],
    ...[`docker://${name}`, `dir:${client.dir}/own`],
  ]);
  assert.notEqual((await client.docker(['pull', `${address}/berth/own:v4`])).code, 0);
});

test('no image is had by its id, nor by another spelling of its name', { skip }, async () => {
  await dockerOk(server, ['tag', 'guest', 'plain:v1']);
  const hex = server.image.replace('sha256:', '');
  const basic = `Basic ${Buffer.from(`ci:${password}`).toString('base64')}`;
  for (const path of [
    `sha256/manifests/${hex}`,
    'library/plain/manifests/v1',
    `docker.io/library/plain/manifests/v1`,
  ]) {
    const repository = path.split('/manifests/')[0];
    const { text } = await ask(address, 'GET', `/token?scope=repository:${repository}:pull`, {
      headers: { Authorization: basic },
    });
    const headers = { Authorization: `Bearer ${(JSON.parse(text) as { token: string }).token}` };
    assert.equal((await ask(address, 'GET', `/v2/${path}`, { headers })).status, 404, path);
  }
});

test('what comes from the registry behind is kept, and served while that one is away', { skip }, async () => {
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  await runOk('skopeo', [
    'copy',
    '--quiet',
    ...plain,
    `oci:${image.layout}:v1`,
    `docker://${behind.address}/deep/app:v1`,
  ]);
  const name = `docker://${address}/behind/deep/app:v1`;
  const login = `ci:${password}`;
  const pull = (to: string) =>
    runOk('skopeo', ['copy', '--quiet', ...plain, '--src-creds', login, name, `dir:${client.dir}/${to}`]);
  await pull('first');
  behind.pause();
  await server.stopDaemon('SIGKILL');
  await server.startDaemon();
  await pull('second');
  const inspected = await runOk('skopeo', ['inspect', '--tls-verify=false', '--creds', login, name]);
  assert.equal((JSON.parse(inspected) as { Digest: string }).Digest, image.manifest);
  await assert.rejects(
    runOk('skopeo', ['copy', '--quiet', ...plain, '--dest-creds', login, `oci:${image.layout}:v1`, name]),
    /stands for another registry/,
  );
});

test('garbage collection leaves what the registry holds, and takes what was deleted from it', {
  skip,
}, async () => {
  const engine = new TestEngine('brg');
  const own = `127.0.0.1:${await freePort()}`;
  Object.assign(engine.settings, {
    BERTH_ENGINE_REGISTRY: own,
    BERTH_ENGINE_REGISTRY_ANONYMOUS: 'all',
    BERTH_ENGINE_STORE_GRACE: '0',
  });
  const blobs = () =>
    readdirSync(join(engine.root, 'blobs', 'sha256'), { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile(),
    ).length;
  try {
    await engine.startDaemon();
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const name = `docker://${own}/kept/app:v1`;
    await runOk('skopeo', ['copy', '--quiet', ...plain, `oci:${image.layout}:v1`, name]);
    await dockerOk(engine, ['image', 'prune', '-af']);
    assert.equal(blobs(), 4); // manifest, config, two layers
    await runOk('skopeo', ['copy', '--quiet', ...plain, name, `dir:${engine.dir}/kept`]);
    await runOk('skopeo', ['delete', '--tls-verify=false', name]);
    await dockerOk(engine, ['image', 'prune', '-af']);
    assert.equal(blobs(), 3); // pushed a moment ago: another manifest may still come for them
    const links = join(engine.root, 'registry', 'repositories', 'kept', 'app', '_blobs', 'sha256');
    for (const link of readdirSync(links)) utimesSync(join(links, link), 0, 0);
    await dockerOk(engine, ['image', 'prune', '-af']);
    assert.equal(blobs(), 0);
    await runOk('skopeo', ['copy', '--quiet', ...plain, `oci:${image.layout}:v1`, name]);
    await runOk('skopeo', ['copy', '--quiet', ...plain, name, `dir:${engine.dir}/again`]);
  } finally {
    await engine.close();
  }
});
