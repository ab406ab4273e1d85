/**
 * The registry as people use it: skopeo, podman and Docker's daemon push to it and pull from it, with and without a login, over plain
 * HTTP and TLS, and exchange images with Debian's docker-registry; digests stay what they are.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from './engine-harness.ts';
import { DockerDaemon, lacks, podmanArgs, run, runOk } from './registry-clients.ts';
import { ask, freePort, type LayoutImage, makeLayout, sha256, TestRegistry } from './registry-harness.ts';

let dir = '';
let image: LayoutImage;
let open: TestRegistry;
let closed: TestRegistry;
const password = 'correct horse battery';
const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'registry-clients-'));
  image = makeLayout(dir);
  open = await TestRegistry.start();
  closed = await TestRegistry.start({ anonymous: 'none' });
  await closed.accounts.set('dev', password, [
    { repositories: 'team/*', actions: ['pull', 'push', 'delete'] },
  ]);
  await closed.accounts.set('reader', password, [{ repositories: 'team/*', actions: ['pull'] }]);
});
after(() => {
  open.close();
  closed.close();
  rmSync(dir, { recursive: true, force: true });
});

const copy = (from: string, to: string, ...more: string[]) =>
  run('skopeo', ['copy', '--quiet', '--preserve-digests', ...plain, ...more, from, to]);

async function copyOk(from: string, to: string, ...more: string[]): Promise<void> {
  const { code, stderr } = await copy(from, to, ...more);
  assert.equal(code, 0, stderr);
}

const digestAt = async (address: string, name: string) =>
  (await ask(address, 'HEAD', `/v2/${name}`)).headers['docker-content-digest'];

/** A login as clients keep it, and a folder for it. */
function authFile(registry: TestRegistry, user: string, secret: string): string {
  const auth = Buffer.from(`${user}:${secret}`).toString('base64');
  const path = join(dir, `auth-${user}-${secret.length}.json`);
  writeFileSync(path, JSON.stringify({ auths: { [registry.address]: { auth } } }));
  return path;
}

async function tokenFor(login: string | undefined, scope: string) {
  const headers: Record<string, string> = login
    ? { Authorization: `Basic ${Buffer.from(login).toString('base64')}` }
    : {};
  return closed.ask('GET', `/token?service=berth-registry&scope=${encodeURIComponent(scope)}`, { headers });
}

test('skopeo pushes and pulls, and every digest is what it was', { skip: lacks('skopeo') }, async () => {
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/team/app:v1`);
  assert.equal(await digestAt(open.address, 'team/app/manifests/v1'), image.manifest);
  const back = join(dir, 'skopeo-back');
  await copyOk(`docker://${open.address}/team/app:v1`, `oci:${back}:v1`);
  const { manifests } = JSON.parse(readFileSync(join(back, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  assert.equal(manifests[0]?.digest, image.manifest);
  const tags = await runOk('skopeo', [
    'list-tags',
    '--tls-verify=false',
    `docker://${open.address}/team/app`,
  ]);
  assert.deepEqual((JSON.parse(tags) as { Tags: string[] }).Tags, ['v1']);
});

test('a layer that is in another repository is mounted, not sent again', {
  skip: lacks('skopeo'),
}, async () => {
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/source/app:v1`);
  await copyOk(`docker://${open.address}/source/app:v1`, `docker://${open.address}/target/app:v2`);
  assert.equal(await digestAt(open.address, 'target/app/manifests/v2'), image.manifest);
  const gone = await open.ask('DELETE', `/v2/source/app/manifests/${image.manifest}`);
  assert.equal(gone.status, 202);
  await copyOk(`docker://${open.address}/target/app:v2`, `dir:${join(dir, 'mounted')}`);
});

test('skopeo deletes an image', { skip: lacks('skopeo') }, async () => {
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/gone/app:v1`);
  await runOk('skopeo', ['delete', '--tls-verify=false', `docker://${open.address}/gone/app:v1`]);
  assert.equal(await digestAt(open.address, 'gone/app/manifests/v1'), undefined);
  assert.deepEqual((await open.ask('GET', '/v2/gone/app/tags/list')).text, '{"name":"gone/app","tags":[]}');
});

test('without a login nothing is had; with one, what was granted', { skip: lacks('skopeo') }, async () => {
  const target = `docker://${closed.address}/team/app:v1`;
  const refused = await copy(`oci:${image.layout}:v1`, target);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /authentication required|unauthorized|denied/);
  const wrong = await copy(`oci:${image.layout}:v1`, target, '--dest-creds', 'dev:a wrong password');
  assert.match(wrong.stderr, /invalid username\/password|unauthorized/);
  await copyOk(`oci:${image.layout}:v1`, target, '--dest-creds', `dev:${password}`);
  const reader = authFile(closed, 'reader', password);
  await copyOk(target, `dir:${join(dir, 'read')}`, '--authfile', reader);
  const pushed = await copy(`oci:${image.layout}:v1`, `${target}-new`, '--authfile', reader);
  assert.match(pushed.stderr, /denied|unauthorized/);
  const elsewhere = `docker://${closed.address}/other/app:v1`;
  const other = await copy(`oci:${image.layout}:v1`, elsewhere, '--dest-creds', `dev:${password}`);
  assert.match(other.stderr, /denied|unauthorized/);
});

test('podman logs in, pushes, pulls and finds the image it pushed', {
  skip: lacks('podman', 'skopeo'),
}, async () => {
  const podman = podmanArgs(dir);
  const auth = join(dir, 'podman-auth.json');
  const login = (secret: string) =>
    run('podman', [
      ...podman,
      ...['login', '--tls-verify=false', '--authfile', auth, '-u', 'dev', '-p', secret, closed.address],
    ]);
  assert.notEqual((await login('a wrong password')).code, 0);
  assert.equal((await login(password)).stdout.trim(), 'Login Succeeded!');
  const name = `${closed.address}/team/podman:v1`;
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/team/podman:v1`);
  const source = `${open.address}/team/podman:v1`;
  const pulled = (await runOk('podman', [...podman, 'pull', '-q', '--tls-verify=false', source])).trim();
  await runOk('podman', [
    ...podman,
    'push',
    '--tls-verify=false',
    '--authfile',
    auth,
    pulled,
    `docker://${name}`,
  ]);
  await runOk('podman', [...podman, 'rmi', '-af']);
  await runOk('podman', [...podman, 'pull', '-q', '--tls-verify=false', '--authfile', auth, name]);
  const id = (await runOk('podman', [...podman, 'images', '-q', '--no-trunc'])).trim();
  assert.equal(id.replace('sha256:', ''), pulled.replace('sha256:', ''));
});

test('podman pulls by digest what skopeo pushed, without a login', {
  skip: lacks('podman', 'skopeo'),
}, async () => {
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/team/digest:v1`);
  const name = `${open.address}/team/digest@${image.manifest}`;
  const podman = podmanArgs(dir);
  await runOk('podman', [...podman, 'pull', '-q', '--tls-verify=false', name]);
  const digests = await runOk('podman', [...podman, 'images', '--digests', '--format', '{{.Digest}}']);
  assert.match(digests, new RegExp(image.manifest));
});

test("docker's daemon logs in, pushes and pulls, with and without a login", {
  skip: lacks('docker', 'dockerd', 'skopeo'),
}, async () => {
  await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/team/docker:v1`);
  const daemon = await DockerDaemon.start(dir);
  try {
    const source = `${open.address}/team/docker:v1`;
    assert.match(await daemon.dockerOk(['pull', source]), new RegExp(`Digest: ${image.manifest}`));
    const target = `${closed.address}/team/docker:v2`;
    await daemon.dockerOk(['tag', source, target]);
    assert.match(
      (await daemon.docker(['push', target])).stderr,
      /denied|unauthorized|authentication required/,
    );
    const login = ['login', closed.address, '-u', 'dev', '--password-stdin'];
    assert.match((await daemon.docker(login, 'a wrong password')).stderr, /unauthorized|incorrect username/);
    assert.match(await daemon.dockerOk(login, password), /Login Succeeded/);
    const pushed = await daemon.dockerOk(['push', target]);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? '';
    await daemon.dockerOk(['rmi', '-f', source, target]);
    assert.match(await daemon.dockerOk(['pull', target]), new RegExp(`Digest: ${digest}`));
    assert.match(await daemon.dockerOk(['pull', `${closed.address}/team/docker@${digest}`]), /up to date/);
    const none = await daemon.docker(['pull', `${closed.address}/team/none:v1`]);
    assert.match(none.stderr, /not found|manifest unknown/);
    const foreign = await daemon.docker(['pull', `${closed.address}/other/app:v1`]);
    assert.match(foreign.stderr, /denied/);
  } finally {
    await daemon.stop();
  }
});

test("images go to Debian's docker-registry and come back with the digests they had", {
  skip: lacks('docker-registry', 'skopeo'),
}, async () => {
  const port = await freePort();
  const theirs = await startTheirs(port);
  try {
    await copyOk(`oci:${image.layout}:v1`, `docker://${open.address}/there/app:v1`);
    await copyOk(`docker://${open.address}/there/app:v1`, `docker://127.0.0.1:${port}/app:v1`);
    await copyOk(`docker://127.0.0.1:${port}/app:v1`, `docker://${open.address}/back/app:v1`);
    assert.equal(await digestAt(open.address, 'back/app/manifests/v1'), image.manifest);
  } finally {
    theirs.kill('SIGKILL');
  }
});

async function startTheirs(port: number): Promise<ChildProcess> {
  const config = join(dir, 'docker-registry.json');
  const root = join(dir, 'docker-registry');
  mkdirSync(root);
  const storage = { filesystem: { rootdirectory: root } };
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http: { addr: `127.0.0.1:${port}` } }));
  const theirs = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  await eventually('docker-registry answers', () =>
    ask(`127.0.0.1:${port}`, 'GET', '/v2/').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return theirs;
}

test("an image of the engine's own is pulled by its name without having been pushed", {
  skip: lacks('skopeo'),
}, async () => {
  const registry: TestRegistry = await TestRegistry.start(
    {},
    {
      engineImages: {
        exportTagged: async (reference) => {
          if (reference !== 'berth/app:v7') return undefined;
          const blobs = join(image.layout, 'blobs', 'sha256');
          for (const name of readdirSync(blobs))
            await registry.blobs.put(createReadStream(join(blobs, name)));
          const text = readFileSync(join(blobs, image.manifest.slice('sha256:'.length)), 'utf8');
          const mediaType = 'application/vnd.oci.image.manifest.v1+json';
          return { imageId: image.manifest, mediaType, digest: image.manifest, text };
        },
        listTags: (name) => (name === 'berth/app' ? ['v7'] : []),
        documentsOf: () => [],
      },
    },
  );
  try {
    await copyOk(`docker://${registry.address}/berth/app:v7`, `dir:${join(dir, 'own')}`);
    assert.match(
      (await copy(`docker://${registry.address}/berth/app:v8`, `dir:${join(dir, 'none')}`)).stderr,
      /not in this repository/,
    );
    const { text: tags } = await registry.ask('GET', '/v2/berth/app/tags/list');
    assert.equal(tags, '{"name":"berth/app","tags":["v7"]}');
    const layer = await registry.ask('GET', `/v2/other/app/blobs/${image.manifest}`);
    assert.equal(layer.status, 404);
  } finally {
    registry.close();
  }
});

test('over TLS, skopeo trusts the certificate it is given and no other', {
  skip: lacks('skopeo', 'openssl'),
}, async () => {
  const certs = join(dir, 'certs');
  mkdirSync(certs);
  const [cert, key] = [join(certs, 'ca.crt'), join(dir, 'registry.pem')];
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  const registry = await TestRegistry.start({ anonymous: 'none', cert, key });
  try {
    await registry.accounts.set('dev', password, [{ repositories: '*', actions: ['pull', 'push'] }]);
    const target = `docker://${registry.address}/app:v1`;
    const args = ['copy', '--quiet', '--dest-creds', `dev:${password}`, `oci:${image.layout}:v1`, target];
    assert.match((await run('skopeo', args)).stderr, /x509|certificate/);
    await runOk('skopeo', [...args, '--dest-cert-dir', certs]);
  } finally {
    registry.close();
  }
});

test('a registry for other machines wants TLS, and never lets everybody push', async () => {
  const start = (more: object) => TestRegistry.start({ host: '0.0.0.0', ...more });
  await assert.rejects(start({ anonymous: 'none' }), /without TLS/);
  await assert.rejects(start({ anonymous: 'all', isInsecureAllowed: true }), /anybody who reaches/);
  await assert.rejects(start({ cert: '/nowhere.pem' }), /both its certificate and its key/);
});

test('a token opens what was granted and nothing else, and says so when it does not', async () => {
  const scope = 'repository:team/app:pull,push,delete';
  assert.equal((await tokenFor('dev:wrong password', scope)).status, 401);
  assert.equal((await tokenFor('nobody:wrong password', scope)).status, 401);
  const token = (JSON.parse((await tokenFor(`reader:${password}`, scope)).text) as { token: string }).token;
  const headers = { Authorization: `Bearer ${token}` };
  assert.equal((await closed.ask('GET', '/v2/', { headers })).status, 200);
  const push = await closed.ask('POST', '/v2/team/app/blobs/uploads/', { headers });
  assert.equal(push.status, 401);
  assert.equal(
    push.headers['www-authenticate'],
    `Bearer realm="http://${closed.address}/token",service="berth-registry",scope="repository:team/app:pull,push",error="insufficient_scope"`,
  );
  assert.equal((await closed.ask('GET', '/v2/team/other/tags/list', { headers })).status, 401);
  assert.equal((await closed.ask('GET', '/v2/')).status, 401);
  const forged = await closed.ask('GET', '/v2/', { headers: { Authorization: `Bearer ${token}x` } });
  assert.match(forged.headers['www-authenticate'] ?? '', /error="invalid_token"/);
  assert.equal((await closed.ask('GET', '/v2/team/app/tags/list', { headers: { Host: 'a"b' } })).status, 401);
});

test('tokens are had by form as well, as newer clients ask for them', async () => {
  const form = (fields: Record<string, string>) =>
    closed.ask('POST', '/token', {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const scope = 'repository:team/app:pull repository:other/app:pull';
  const given = await form({
    grant_type: 'password',
    username: 'dev',
    password,
    scope,
    service: 'berth-registry',
  });
  const { access_token: token } = JSON.parse(given.text) as { access_token: string };
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    access: unknown;
  };
  assert.deepEqual(payload.access, [{ type: 'repository', name: 'team/app', actions: ['pull'] }]);
  assert.equal((await form({ grant_type: 'refresh_token', refresh_token: 'x' })).status, 400);
});

test('the catalog names to each user what that user may pull', async () => {
  const registry = await TestRegistry.start({ anonymous: 'none' });
  try {
    await registry.accounts.set('one', password, [{ repositories: 'one/*', actions: ['pull', 'push'] }]);
    await registry.accounts.set('two', password, [{ repositories: 'two/*', actions: ['pull', 'push'] }]);
    const bearer = async (user: string, scope: string) => {
      const headers = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
      const { text } = await registry.ask('GET', `/token?scope=${scope}`, { headers });
      return { Authorization: `Bearer ${(JSON.parse(text) as { token: string }).token}` };
    };
    for (const name of ['one/a', 'one/b', 'two/c']) {
      const headers = await bearer(name.slice(0, 3), `repository:${name}:push`);
      const pushed = await registry.ask('POST', `/v2/${name}/blobs/uploads/?digest=${sha256('x')}`, {
        headers,
        body: 'x',
      });
      assert.equal(pushed.status, 201);
    }
    const headers = await bearer('one', 'registry:catalog:*');
    const page = await registry.ask('GET', '/v2/_catalog?n=1', { headers });
    assert.deepEqual(
      [page.text, page.headers['link']],
      ['{"repositories":["one/a"]}', '</v2/_catalog?n=1&last=one%2Fa>; rel="next"'],
    );
    assert.equal(
      (await registry.ask('GET', '/v2/_catalog?last=one/a', { headers })).text,
      '{"repositories":["one/b"]}',
    );
    assert.equal((await registry.ask('GET', '/v2/_catalog')).status, 401);
  } finally {
    registry.close();
  }
});

test('everybody may pull where that is allowed, and nobody pushes without a login', async () => {
  const registry = await TestRegistry.start({ anonymous: 'pull' });
  try {
    assert.equal((await registry.ask('GET', '/v2/app/manifests/v1')).status, 404);
    assert.equal((await registry.ask('POST', '/v2/app/blobs/uploads/')).status, 401);
    assert.equal((await registry.ask('GET', '/v2/')).status, 401); // so that a login is asked for and checked
    const { text } = await registry.ask('GET', '/token?scope=repository:app:pull,push');
    const headers = { Authorization: `Bearer ${(JSON.parse(text) as { token: string }).token}` };
    assert.equal((await registry.ask('GET', '/v2/', { headers })).status, 200);
    assert.equal((await registry.ask('POST', '/v2/app/blobs/uploads/', { headers })).status, 401);
  } finally {
    registry.close();
  }
});

test('after ten wrong passwords an address waits, and is told how long', async () => {
  const registry = await TestRegistry.start({ anonymous: 'none' });
  try {
    const headers = { Authorization: `Basic ${Buffer.from('dev:guess number one').toString('base64')}` };
    const guess = async () => registry.ask('GET', '/token', { headers });
    const statuses: number[] = [];
    for (let round = 0; round < 11; round++) statuses.push((await guess()).status);
    assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429]);
    const { headers: told } = await guess();
    assert.ok(Number(told['retry-after']) > 0 && Number(told['retry-after']) <= 60);
  } finally {
    registry.close();
  }
});
