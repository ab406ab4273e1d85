// Whole behaviours of the engine through its API and the real docker CLI, on a static guest image.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '@berth/engine-daemon/images/image-config.ts';
import { eventually, guestTar, TestEngine } from './engine-harness.ts';
import { makeTar } from './make-tar.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bdt1');
});

after(async () => {
  await engine.close();
});

describe('containers', () => {
  test('a container gives its exit code, its output and its log, and is gone after its removal', async () => {
    const id = await engine.runDetached(['/guest', 'say', 'out', ',', 'complain', 'err', ',', 'exit', '7']);
    assert.deepEqual(await engine.client.waitContainer(id), { exitCode: 7 });
    assert.equal(await engine.output(id), 'out\nerr\n');
    const { State } = await engine.client.inspectContainer(id);
    assert.deepEqual([State.Status, State.ExitCode, State.OOMKilled], ['exited', 7, false]);
    await engine.client.removeContainer(id);
    await assert.rejects(engine.client.inspectContainer(id), /No such container/);
  });

  test('every start of an attached short-lived container shows all its output', async () => {
    const runs = Array.from({ length: 24 }, () =>
      engine.docker(['run', '--rm', 'guest', '/guest', 'say', 'hello']),
    );
    for (const result of await Promise.all(runs))
      assert.deepEqual(result, { code: 0, stdout: 'hello\n', stderr: '' });
  });

  test('docker run -i carries binary input and output unchanged', async () => {
    const text = 'x'.repeat(300_000);
    const { stdout, code } = await engine.docker(['run', '-i', '--rm', 'guest', '/guest', 'cat', '-'], text);
    assert.equal(code, 0);
    assert.equal(stdout.length, text.length);
  });

  test('a command that does not exist ends with 127, a folder as command with 126', async () => {
    assert.equal((await engine.docker(['run', '--rm', 'guest', '/nope'])).code, 127);
    assert.equal((await engine.docker(['run', '--rm', 'guest', '/etc'])).code, 126);
    assert.equal((await engine.docker(['ps', '-aq'])).stdout, '');
  });

  test('environment, user, working directory and hostname are those asked for', async () => {
    const id = await engine.runDetached(
      ['/guest', 'env', 'GREETING', ',', 'env', 'MORE', ',', 'env', 'HOSTNAME', ',', 'id', ',', 'cwd'],
      { Env: ['MORE=1'], User: 'app', WorkingDir: '/tmp', Hostname: 'box' },
    );
    await engine.client.waitContainer(id);
    const lines = (await engine.output(id)).split('\n');
    assert.deepEqual(lines.slice(0, 3), ['GREETING=hello', 'MORE=1', 'HOSTNAME=box']);
    assert.match(lines[3] ?? '', /^uid=1000 gid=1001/);
    assert.equal(lines[4], '/tmp');
    await engine.client.removeContainer(id);
  });

  test('a container without a signal handler is killed after the grace time, one with a handler ends by itself', async () => {
    const deaf = await engine.runDetached(['/guest', 'sleep', '60000']);
    await engine.client.stopContainer(deaf, 1);
    assert.equal((await engine.client.inspectContainer(deaf)).State.ExitCode, 137);
    const polite = await engine.runDetached(['/guest', 'signal']);
    await eventually('it waits', async () => (await engine.output(polite)).includes('waiting'));
    await engine.client.stopContainer(polite, 20);
    assert.equal(await engine.output(polite), 'waiting\ngot 15\n');
    for (const id of [deaf, polite]) await engine.client.removeContainer(id);
  });

  test('a container over its memory limit is killed and says so', async () => {
    const id = await engine.runDetached(['/guest', 'memory', '200'], { HostConfig: { Memory: 32 << 20 } });
    assert.equal((await engine.client.waitContainer(id)).exitCode, 137);
    assert.equal((await engine.client.inspectContainer(id)).State.OOMKilled, true);
    await engine.client.removeContainer(id);
  });

  test('a container over its disk quota is killed with the reason', async () => {
    const id = await engine.runDetached(
      ['/guest', 'write', '/big', 'x'.repeat(50_000), ',', 'sleep', '60000'],
      {
        HostConfig: { StorageOpt: { size: '10k' } },
      },
    );
    const { exitCode } = await engine.client.waitContainer(id);
    assert.equal(exitCode, 137);
    assert.equal((await engine.client.inspectContainer(id)).State.Error, 'disk quota exceeded');
    await assert.rejects(engine.client.commitLayer(id), /disk quota exceeded/);
    await engine.client.removeContainer(id);
  });

  test('a restart policy starts a failing container again as often as it says', async () => {
    const id = await engine.runDetached(['/guest', 'say', 'try', ',', 'exit', '3'], {
      HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } } as object,
    });
    assert.equal((await engine.client.waitContainer(id)).exitCode, 3);
    assert.equal(await engine.output(id), 'try\ntry\ntry\n');
    await engine.client.removeContainer(id);
  });

  test('root in a container is nobody on the host, and each app has a range of its own', async () => {
    const uidOf = async (labels: Record<string, string>) => {
      const id = await engine.runDetached(['/guest', 'sleep', '60000'], { Labels: labels });
      const { State } = await engine.client.inspectContainer(id);
      const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${State.Pid}/status`, 'utf8'))?.[1];
      await engine.client.removeContainer(id, { force: true });
      return Number(uid);
    };
    const [first, again, other] = [
      await uidOf({ 'berth.userns': 'app-a' }),
      await uidOf({ 'berth.userns': 'app-a' }),
      await uidOf({ 'berth.userns': 'app-b' }),
    ];
    assert.equal(first, again);
    assert.notEqual(first, other);
    assert.ok(first >= 100_000);
  });
});

describe('the docker CLI', () => {
  test('run -d, ps, logs, exec, inspect, stop and rm work', async () => {
    const started = await engine.docker([
      'run',
      '-d',
      '--name',
      'bd-test',
      'guest',
      '/net',
      'listen',
      '9000',
      'hi',
    ]);
    assert.equal(started.code, 0, started.stderr);
    assert.match((await engine.docker(['ps'])).stdout, /bd-test/);
    assert.equal((await engine.docker(['exec', 'bd-test', '/guest', 'say', 'inside'])).stdout, 'inside\n');
    assert.equal((await engine.docker(['exec', 'bd-test', '/guest', 'exit', '5'])).code, 5);
    assert.equal((await engine.docker(['exec', 'bd-test', '/nope'])).code, 127);
    assert.equal(
      (await engine.docker(['exec', '-i', 'bd-test', '/guest', 'cat', '-'], 'in\n')).stdout,
      'in\n',
    );
    const format = '{{.State.Status}} {{.Config.Image}}';
    assert.equal((await engine.docker(['inspect', '-f', format, 'bd-test'])).stdout, 'running guest\n');
    assert.equal((await engine.docker(['logs', 'bd-test'])).stdout, 'listening\n');
    assert.equal((await engine.docker(['stop', '-t', '5', 'bd-test'])).code, 0);
    assert.match((await engine.docker(['ps', '-a'])).stdout, /Exited \(\d+\)/);
    assert.equal((await engine.docker(['rm', 'bd-test'])).code, 0);
  });

  test('logs -f shows lines as they come, across rotations, and ends with the container', async () => {
    const id = await engine.runDetached(
      ['/guest', 'lines', '2000', '100', ',', 'sleep', '300', ',', 'say', 'end'],
      {
        HostConfig: { LogConfig: { Config: { 'max-size': '300k', 'max-file': '5' } } },
      },
    );
    const { stdout } = await engine.docker(['logs', '-f', id]);
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 2001);
    assert.equal(lines.at(-1), 'end');
    for (const [index, line] of lines.slice(0, -1).entries()) assert.ok(line.startsWith(`${index} `));
    assert.equal((await engine.output(id, { tail: 2 })).split('\n').at(-2), 'end');
    await engine.client.removeContainer(id);
  });

  test('what the engine does not have is refused with a sentence', async () => {
    const search = await engine.docker(['search', 'nowhere']);
    assert.match(search.stderr, /does not search registries/);
  });
});

describe('layers and images', () => {
  test('the same content gives the same layer and the same image, whoever sends it first', async () => {
    const again = await engine.client.makeLayer(Readable.from([guestTar(engine.dir)]), { mtime: 0 });
    assert.equal(again.diffId, engine.layer);
    assert.equal(await engine.client.hasLayer(engine.layer), true);
    assert.equal(await engine.client.hasLayer(`sha256:${'0'.repeat(64)}`), false);
    const config = {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/guest', 'id'], Env: ['GREETING=hello'] },
    };
    assert.equal(await engine.client.makeImage({ config, layers: [engine.layer] }), engine.image);
  });

  test('an image of a layer that is not there names the layer', async () => {
    const missing = `sha256:${'1'.repeat(64)}`;
    const config = { architecture: 'amd64', os: 'linux', config: {} };
    await assert.rejects(
      engine.client.makeImage({ config, layers: [engine.layer, missing] }),
      new RegExp(missing),
    );
  });

  test('what a container wrote becomes a layer, and an image of it shows the file', async () => {
    const id = await engine.runDetached([
      '/guest',
      'write',
      '/etc/made',
      'by hand',
      ',',
      'write',
      '/tmp/junk',
      'x',
    ]);
    await engine.client.waitContainer(id);
    const made = await engine.client.commitLayer(id, { mtime: 0, exclude: ['tmp'] });
    await engine.client.removeContainer(id);
    const image = await engine.client.makeImage({
      config: { architecture: 'amd64', os: 'linux', config: {} },
      layers: [engine.layer, made.diffId],
    });
    assert.equal(await engine.client.readImageFile(image, '/etc/made'), 'by hand');
    assert.equal(await engine.client.readImageFile(image, '/tmp/junk'), undefined);
    assert.equal(await engine.client.readImageFile(image, '/etc/../../../etc/passwd'), await passwd());
  });

  const passwd = () => engine.client.readImageFile(engine.image, '/etc/passwd');

  test('a link in an image cannot lead out of it', async () => {
    const tar = makeTar([
      { name: 'escape', type: '2', link: '../../../../../../../etc/hostname' },
      { name: 'loop', type: '2', link: 'loop' },
    ]);
    const { diffId } = await engine.client.makeLayer(Readable.from([tar]));
    const config = { architecture: 'amd64', os: 'linux', config: {} };
    const image = await engine.client.makeImage({ config, layers: [engine.layer, diffId] });
    assert.equal(await engine.client.readImageFile(image, '/escape'), undefined);
    await assert.rejects(engine.client.readImageFile(image, '/loop'));
  });

  test('docker load reads what docker save writes, checks the digest, and the image runs', async () => {
    const good = savedImage(guestTar(engine.dir), 'saved:v1');
    const path = join(engine.dir, 'saved.tar');
    writeFileSync(path, good);
    const loaded = await engine.docker(['load', '-i', path]);
    assert.match(loaded.stdout, /Loaded image: saved:v1/);
    assert.equal((await engine.docker(['run', '--rm', 'saved:v1'])).stdout, 'from the archive\n');
    const bad = savedImage(makeTar([{ name: 'x', content: 'y' }]), 'bad:v1', `sha256:${'2'.repeat(64)}`);
    writeFileSync(path, bad);
    assert.match((await engine.docker(['load', '-i', path])).stderr, /has the digest/);
  });

  test('prune keeps what is named, tagged or fresh, and frees the rest', async () => {
    const config = { architecture: 'amd64', os: 'linux', config: { Labels: { prune: 'me' } } };
    const image = await engine.client.makeImage({ config, layers: [engine.layer] });
    await engine.client.prune([image]);
    assert.ok(await engine.client.inspectImage(image));
    await engine.client.prune([]);
    assert.equal(await engine.client.inspectImage(image), undefined);
    assert.ok(await engine.client.inspectImage('guest'));
    assert.equal(await engine.client.hasLayer(engine.layer), true);
  });
});

function savedImage(layer: Buffer, tag: string, diffId = digestOf(layer)): Buffer {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/guest', 'say', 'from the archive'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  });
  const configName = `${digestOf(config).slice(7)}.json`;
  const manifest = JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: ['one/layer.tar'] }]);
  return makeTar([
    { name: configName, content: config },
    { name: 'one/', type: '5', mode: 0o755 },
    { name: 'one/layer.tar', content: layer },
    { name: 'manifest.json', content: manifest },
  ]);
}

describe('networks', () => {
  const serve = (network: string) =>
    engine.runDetached(['/net', 'listen', '9000', 'served'], { HostConfig: { NetworkMode: network } });
  const get = async (network: string, address: string, port = 9000) => {
    const { stdout } = await engine.docker([
      'run',
      '--rm',
      '--network',
      network,
      'guest',
      '/net',
      'get',
      address,
      String(port),
    ]);
    return stdout.trim();
  };

  test('containers of one network reach each other, of two networks do not, and the host reaches all', async () => {
    await engine.client.ensureNetwork({ Name: 'bd-test-a' });
    await engine.client.ensureNetwork({ Name: 'bd-test-b' });
    const server = await serve('bd-test-a');
    const address = await engine.addressOf(server);
    await eventually('it listens', async () => (await engine.output(server)).includes('listening'));
    assert.equal(await get('bd-test-a', address), 'got served');
    assert.match(await get('bd-test-b', address), /^no connection/);
    assert.match(await get('bridge', address), /^no connection/);
    assert.equal(await readFrom(address, 9000), 'served');
    await engine.client.removeContainer(server, { force: true });
    await engine.client.removeNetwork('bd-test-a');
    await engine.client.removeNetwork('bd-test-b');
  });

  test('without inter-container communication neighbours do not reach each other, the host still does', async () => {
    await engine.client.ensureNetwork({
      Name: 'bd-test-apart',
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
    });
    const server = await serve('bd-test-apart');
    const address = await engine.addressOf(server);
    await eventually('it listens', async () => (await engine.output(server)).includes('listening'));
    assert.match(await get('bd-test-apart', address), /^no connection/);
    assert.equal(await readFrom(address, 9000), 'served');
    await engine.client.removeContainer(server, { force: true });
    await engine.client.removeNetwork('bd-test-apart');
  });

  test('an isolated network reaches neither the host nor other networks, but answers the host', async (t) => {
    await engine.client.ensureNetwork({ Name: 'bd-test-out', Labels: { 'berth.egress': 'isolated' } });
    const server = await serve('bd-test-out');
    const neighbour = await serve('bridge');
    const address = await engine.addressOf(server);
    const { Gateway } =
      (await engine.client.inspectContainer(server)).NetworkSettings.Networks?.['bd-test-out'] ?? {};
    await eventually('it listens', async () => (await engine.output(server)).includes('listening'));
    assert.equal(await readFrom(address, 9000), 'served');
    const listener = createServer((socket) => socket.end('host')).listen(0, '0.0.0.0');
    t.after(() => listener.close());
    await once(listener, 'listening');
    const port = (listener.address() as { port: number }).port;
    assert.equal(await get('bridge', Gateway ?? '', port), 'got host');
    assert.match(await get('bd-test-out', Gateway ?? '', port), /^no connection/);
    assert.match(await get('bd-test-out', await engine.addressOf(neighbour)), /^no connection/);
    assert.match(await get('bd-test-out', '169.254.169.254', 80), /^no connection/);
    for (const id of [server, neighbour]) await engine.client.removeContainer(id, { force: true });
    await engine.client.removeNetwork('bd-test-out');
  });

  test('an emptied firewall table comes back with the next look, with the isolation it carries', async () => {
    const id = await serve('bridge');
    execFileSync('nft', ['delete', 'table', 'inet', `berth_${engine.name}`]);
    await eventually(
      'the table is back',
      async () => execFileSync('nft', ['list', 'tables']).toString().includes(`berth_${engine.name}`),
      40_000,
    );
    await engine.client.removeContainer(id, { force: true });
  });
});

function readFrom(host: string, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host, port, timeout: 2000 });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('end', () => resolve(text));
  socket.on('error', reject);
  socket.on('timeout', () => socket.destroy(new Error('no answer')));
  return promise;
}
