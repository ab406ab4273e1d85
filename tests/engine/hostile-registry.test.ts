// Pulls and pushes against registries that lie, cut, redirect and ask for passwords that are not theirs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type CliResult, eventually, TestEngine } from './engine-harness.ts';
import { digestOf, type FakeImage, FakeRegistry, makeImage } from './fake-registry.ts';
import { makeTar } from './make-tar.ts';
import { lacks } from './registry-clients.ts';

let engine: TestEngine;
let registry: FakeRegistry;
/** Another host: 127.0.0.2. */
let stranger: FakeRegistry;
let registriesFile = '';

const secret = 'hunter2-secret';
const login = (address: string) => ({
  auths: { [address]: { auth: Buffer.from(`ann:${secret}`).toString('base64') } },
});

before(async () => {
  engine = new TestEngine('bhost');
  registriesFile = join(engine.dir, 'registries.json');
  writeFileSync(registriesFile, '{}');
  engine.settings['BERTH_ENGINE_REGISTRIES'] = registriesFile;
  await engine.startDaemon();
});
after(() => engine.close());
beforeEach(async () => {
  registry = await FakeRegistry.start();
  stranger = await FakeRegistry.start('127.0.0.2');
  writeFileSync(registriesFile, '{}');
});
afterEach(() => {
  registry.close();
  stranger.close();
});

/** A key and a certificate for 127.0.0.1 that is its own authority. */
function selfSigned(dir: string): { key: string; cert: string; path: string } {
  const at = (file: string) => join(dir, file);
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
      ...['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', at('key.pem'), '-out', at('cert.pem')],
    ],
    { stdio: 'ignore' },
  );
  return {
    key: readFileSync(at('key.pem'), 'utf8'),
    cert: readFileSync(at('cert.pem'), 'utf8'),
    path: at('cert.pem'),
  };
}

const image = (bytes = 10_000, layers = 1) =>
  makeImage(Array.from({ length: layers }, () => randomBytes(bytes)));
const name = (repository = 'app') => `${registry.address}/${repository}`;

/** Logged in at the registry, as the docker CLI keeps it. */
function loggedIn(): void {
  mkdirSync(join(engine.dir, '.docker'), { recursive: true });
  writeFileSync(join(engine.dir, '.docker/config.json'), JSON.stringify(login(registry.address)));
}

const pull = (reference: string): Promise<CliResult> => engine.docker(['pull', reference]);

function assertRefused(result: CliResult, wanted: RegExp): void {
  assert.equal(result.code, 1, result.stdout);
  assert.match(result.stderr, wanted);
  const layers = readdirSync(join(engine.root, 'layers'));
  assert.deepEqual(
    layers.filter((entry) => entry.startsWith('.tmp-')),
    [],
  );
}

const neverSaw = (host: FakeRegistry) =>
  assert.equal(
    host.seen.some(({ headers, path }) => headers.authorization !== undefined || path.includes(secret)),
    false,
    `credentials reached ${host.address}`,
  );

describe('credentials', () => {
  beforeEach(loggedIn);

  test('a blob that is redirected to another host is fetched without them', async () => {
    const one = image();
    registry.add('app', 'v1', one);
    for (const [digest, bytes] of registry.blobs) stranger.blobs.set(digest, bytes);
    registry.handler = (request, response) => {
      if (!request.headers.authorization) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="here"' }).end();
        return true;
      }
      if (!request.url?.includes('/blobs/')) return false;
      response.writeHead(307, { Location: `http://${stranger.address}${request.url}` }).end();
      return true;
    };
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    assert.equal(stranger.asked('/blobs/').length, 2);
    neverSaw(stranger);
  });

  test('a token service on another host without TLS is not asked', async () => {
    registry.add('app', 'v1', image());
    registry.handler = (_request, response) => {
      const realm = `http://${stranger.address}/token`;
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="s"` }).end();
      return true;
    };
    assertRefused(await pull(`${name()}:v1`), /which is not safe/);
    assert.deepEqual(stranger.seen, []);
  });

  test('a mirror gets none, and its failure is answered by the registry itself', async () => {
    registry.add('app', 'v1', image());
    registry.demandBasic();
    stranger.demandBasic();
    writeFileSync(
      registriesFile,
      JSON.stringify({ registries: { [registry.address]: { mirrors: [`http://${stranger.address}`] } } }),
    );
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    assert.ok(stranger.seen.length > 0);
    neverSaw(stranger);
  });

  test('an upload that is sent to another host goes there without them', async () => {
    const tag = `${name('mine')}:v1`;
    await engine.makeImage();
    await engine.docker(['tag', 'guest', tag]);
    registry.handler = async (request, response) => {
      if (!request.headers.authorization) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="here"' }).end();
        return true;
      }
      if (request.method !== 'POST') return false;
      response.writeHead(202, { Location: `http://${stranger.address}/upload?state=1` }).end();
      return true;
    };
    stranger.handler = (request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(201).end());
      return true;
    };
    const { code, stderr } = await engine.docker(['push', tag]);
    assert.equal(code, 0, stderr);
    assert.ok(stranger.asked('/upload').length >= 2);
    neverSaw(stranger);
    await engine.docker(['rmi', tag]);
  });

  test('those of one registry are not sent to another', async () => {
    stranger.add('app', 'v1', image());
    stranger.demandBasic();
    assertRefused(
      await pull(`${stranger.address}/app:v1`),
      /pull access denied .* may require 'docker login'/,
    );
    neverSaw(stranger);
  });

  test('a token is asked for once and used until the registry no longer takes it', async () => {
    const one = image(10_000, 4);
    registry.add('app', 'v1', one);
    let issued = 0;
    let valid = '';
    registry.handler = (request, response) => {
      const { url = '', headers } = request;
      if (url.startsWith('/token')) {
        assert.equal(headers.authorization, `Basic ${Buffer.from(`ann:${secret}`).toString('base64')}`);
        assert.match(url, /scope=repository%3Aapp%3Apull/);
        issued += 1;
        valid = `token-${issued}`;
        response.end(JSON.stringify({ token: valid, expires_in: 300 }));
        return true;
      }
      if (headers.authorization === `Bearer ${valid}` && valid !== '') return false;
      const challenge = `Bearer realm="http://${registry.address}/token",service="s"`;
      response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
      return true;
    };
    assert.equal((await pull(`${name()}:v1`)).code, 0);
    assert.equal(issued, 1);
    assert.equal((await pull(`${name()}:v1`)).code, 0);
    assert.equal(issued, 1, 'the second pull uses the token of the first');
    valid = 'revoked';
    assert.equal((await pull(`${name()}:v1`)).code, 0);
    assert.equal(issued, 2);
  });

  test('a push without a login is denied in the words scripts look for', async () => {
    const tag = `${stranger.address}/mine:v1`;
    stranger.demandBasic();
    await engine.makeImage();
    await engine.docker(['tag', 'guest', tag]);
    const { code, stderr } = await engine.docker(['push', tag]);
    assert.equal(code, 1);
    assert.match(stderr, /denied: requested access to the resource is denied/);
    await engine.docker(['rmi', tag]);
  });

  test('a login is the registry’s own answer', async () => {
    const right = `Basic ${Buffer.from('ann:right').toString('base64')}`;
    registry.handler = (request, response) => {
      if (request.headers.authorization === right) return false;
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="here"' }).end();
      return true;
    };
    const logIn = (password: string) =>
      engine.docker(['login', '-u', 'ann', '--password-stdin', registry.address], password);
    assert.match((await logIn('right')).stdout, /Login Succeeded/);
    const refused = await logIn('wrong');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /unauthorized: incorrect username or password/);
    assert.doesNotMatch(refused.stderr + engine.log, /wrong/);
  });

  test('nothing secret is in the log', () => {
    assert.doesNotMatch(
      engine.log,
      new RegExp(`${secret}|${Buffer.from(`ann:${secret}`).toString('base64')}`),
    );
  });
});

describe('content', () => {
  const cases: [string, (one: FakeImage) => void, RegExp][] = [
    [
      'a layer with other bytes than its digest says',
      (one) => {
        const bytes = Buffer.from(one.layers[0]?.bytes ?? '');
        bytes[bytes.length - 20] = (bytes.at(-20) ?? 0) ^ 1;
        registry.blobs.set(one.layers[0]?.digest ?? '', bytes);
      },
      /filesystem layer verification failed for digest/,
    ],
    [
      'a layer that is longer than announced',
      (one) =>
        registry.blobs.set(
          one.layers[0]?.digest ?? '',
          Buffer.concat([one.layers[0]?.bytes ?? Buffer.alloc(0), Buffer.alloc(100_000)]),
        ),
      /sends more than the \d+ bytes it announced/,
    ],
    [
      'a config with another digest',
      (one) => registry.blobs.set(digestOf(one.config), Buffer.from(one.config.replace('linux', 'LINUX'))),
      /verification failed/,
    ],
    [
      'a manifest beyond the limit',
      (one) =>
        registry.putManifest(
          'app',
          'v1',
          one.manifest + ' '.repeat(5_000_000),
          'application/vnd.oci.image.manifest.v1+json',
        ),
      /the manifest is larger than 4194304 bytes/,
    ],
    [
      'a manifest that is also an index',
      (one) =>
        registry.putManifest(
          'app',
          'v1',
          JSON.stringify({ ...JSON.parse(one.manifest), manifests: [] }),
          'application/vnd.oci.image.manifest.v1+json',
        ),
      /an index and an image at once/,
    ],
    [
      'a page that is no manifest',
      () => registry.putManifest('app', 'v1', '<html>log in</html>', 'text/html'),
      /not a JSON object/,
    ],
    [
      'a layer of an unknown type',
      (one) =>
        registry.putManifest(
          'app',
          'v1',
          one.manifest.replace('tar+gzip', 'tar+rot13'),
          'application/vnd.oci.image.manifest.v1+json',
        ),
      /layer type .* is not supported/,
    ],
  ];
  for (const [what, spoil, wanted] of cases) {
    test(`${what} is refused, and nothing of it stays`, async () => {
      const one = image();
      registry.add('app', 'v1', one);
      spoil(one);
      assertRefused(await pull(`${name()}:v1`), wanted);
      assert.equal((await engine.docker(['image', 'inspect', `${name()}:v1`])).code, 1);
    });
  }

  test('a layer whose tar is not the one the config names is refused', async () => {
    const one = image();
    const other = gzipSync(makeTar([{ name: 'other', content: 'x' }]));
    const manifest = one.manifest
      .replaceAll(one.layers[0]?.digest ?? '', digestOf(other))
      .replace(`"size":${one.layers[0]?.bytes.length}`, `"size":${other.length}`);
    registry.add('app', 'v1', { ...one, manifest, digest: digestOf(manifest) });
    registry.blobs.set(digestOf(other), other);
    assertRefused(await pull(`${name()}:v1`), /has the digest/);
  });

  test('a manifest that was asked for by digest and is another one is refused', async () => {
    const one = image();
    registry.add('app', 'v1', one);
    registry.manifests.set(`app:${one.digest}`, {
      text: `${one.manifest} `,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    });
    assertRefused(await pull(`${name()}@${one.digest}`), /manifest "sha256:.*" has the digest/);
  });

  test('a mirror that lies about a layer is passed over', async () => {
    const one = image();
    registry.add('app', 'v1', one);
    stranger.add('app', 'v1', one);
    stranger.blobs.set(one.layers[0]?.digest ?? '', randomBytes(one.layers[0]?.bytes.length ?? 0));
    writeFileSync(
      registriesFile,
      JSON.stringify({ registries: { [registry.address]: { mirrors: [`http://${stranger.address}`] } } }),
    );
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    assert.equal(registry.asked('/manifests/').length, 0, 'the mirror had the manifest');
    assert.equal(registry.asked(one.layers[0]?.digest ?? '').length, 1);
  });

  test('a certificate that nobody vouches for is refused, and its CA can be named', {
    skip: lacks('openssl'),
  }, async () => {
    const { key, cert, path } = selfSigned(engine.dir);
    const secure = await FakeRegistry.start('127.0.0.1', { key, cert });
    try {
      secure.add('app', 'v1', image());
      const reference = `${secure.address}/app:v1`;
      assertRefused(await pull(reference), /x509: certificate signed by unknown authority/);
      assert.deepEqual(secure.seen, [], 'nothing was asked, and not without TLS either');
      writeFileSync(registriesFile, JSON.stringify({ registries: { [secure.address]: { ca: path } } }));
      const { code, stderr } = await pull(reference);
      assert.equal(code, 0, stderr);
    } finally {
      secure.close();
    }
  });

  test('a registries file that is wrong refuses every pull and says why', async () => {
    writeFileSync(registriesFile, '{"registries": {"a.example": {"mirror": "b.example"}}}');
    assertRefused(await pull(`${name()}:v1`), /registries\.json" is wrong: .*unknown setting "mirror"/);
    writeFileSync(registriesFile, 'no json');
    assertRefused(await pull(`${name()}:v1`), /registries\.json" is wrong/);
    assert.deepEqual(registry.seen, []);
  });

  test('redirects in a circle end', async () => {
    registry.handler = (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      response.writeHead(302, { Location: request.url }).end();
      return true;
    };
    assertRefused(await pull(`${name()}:v1`), /redirects in a circle/);
  });
});

describe('connections that break', () => {
  /** Cuts each answer to the layer's GET after so many bytes, as often as it is told to. */
  function cutting(one: FakeImage, afterBytes: number, times: number) {
    const { digest = '', bytes = Buffer.alloc(0) } = one.layers[0] ?? {};
    let left = times;
    registry.handler = (request, response) => {
      if (!request.url?.includes(digest) || left <= 0) return false;
      left -= 1;
      const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const range = { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
      response.writeHead(start > 0 ? 206 : 200, {
        'Content-Length': bytes.length - start,
        ...(start > 0 ? range : {}),
      });
      response.write(bytes.subarray(start, start + afterBytes), () => response.destroy());
      return true;
    };
    return { digest, size: bytes.length };
  }

  /** Where each request for a blob began. */
  const starts = (digest: string) =>
    registry.asked(digest).map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0));

  test('a download goes on where it was cut', async () => {
    const one = image(900_000);
    registry.add('app', 'v1', one);
    const { digest } = cutting(one, 300_000, 2);
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    const [first, ...more] = starts(digest);
    assert.equal(first, 0);
    assert.equal(more.length, 2);
    // What was still on its way when the connection went is asked for again: how much that is, is the kernel's business.
    const [second = 0, third = 0] = more;
    assert.ok(second > 0 && second <= 300_000, `began again at ${second}`);
    assert.ok(third > second && third <= second + 300_000, `began again at ${second}, then at ${third}`);
  });

  test('a registry that does not do ranges is read again from the start', async () => {
    const one = image(900_000);
    registry.add('app', 'v1', one);
    cutting(one, 300_000, 1);
    const cut = registry.handler;
    registry.handler = (request, response) => {
      if (cut(request, response)) return true;
      delete request.headers.range;
      return false;
    };
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
  });

  test('a pull whose user has gone asks for no more, and the next one goes on', async () => {
    const one = image(900_000);
    registry.add('app', 'v1', one);
    const { digest = '', bytes = Buffer.alloc(0) } = one.layers[0] ?? {};
    const { promise: gone, resolve: isGone } = Promise.withResolvers<void>();
    const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
    registry.handler = (request, response) => {
      if (!request.url?.includes(digest)) return false;
      response.on('close', isGone);
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, 500_000), () => isSent()); // and no more
      return true;
    };
    const post = httpRequest({
      socketPath: engine.socketPath,
      method: 'POST',
      path: `/images/create?fromImage=${name()}&tag=v1`,
    });
    post.on('error', () => {});
    post.end();
    await sent;
    await eventually('half of it has arrived', () => Promise.resolve(uploadedBytes() >= 500_000));
    post.destroy();
    await gone;
    registry.handler = () => false;
    registry.seen.length = 0;
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    assert.deepEqual(starts(digest), [500_000]);
  });

  /** Of blobs that are on their way in. */
  function uploadedBytes(): number {
    const dir = join(engine.root, 'blobs/uploads');
    return Math.max(0, ...readdirSync(dir).map((file) => statSync(join(dir, file)).size));
  }

  test('a push goes on after a cut connection and a busy registry', async () => {
    const tag = `${name('pushed')}:v1`;
    await engine.makeImage();
    await engine.docker(['tag', 'guest', tag]);
    const answers = [0, 503];
    const stored = new Map<string, number>();
    registry.handler = async (request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      const digest = url.searchParams.get('digest') ?? '';
      if (request.method === 'POST') {
        response.writeHead(202, { Location: '/v2/pushed/blobs/uploads/1' }).end();
        return true;
      }
      if (request.method === 'GET' && url.pathname.endsWith('/uploads/1')) {
        response.writeHead(204, { Range: '0-0' }).end();
        return true;
      }
      if (request.method !== 'PUT' || digest === '') return false;
      const answer = answers.shift();
      if (answer === 0) {
        request.destroy();
        return true;
      }
      const body = await buffer(request);
      if (answer === undefined) stored.set(digest, body.length);
      response.writeHead(answer ?? 201).end();
      return true;
    };
    const { code, stderr } = await engine.docker(['push', tag]);
    assert.equal(code, 0, stderr);
    const manifest = JSON.parse(registry.manifests.get('pushed:v1')?.text ?? '') as {
      config: { digest: string; size: number };
      layers: { digest: string; size: number }[];
    };
    for (const { digest, size } of [manifest.config, ...manifest.layers])
      assert.equal(stored.get(digest), size);
    await engine.docker(['rmi', tag]);
  });

  test('a pull that failed is taken up by the next one, also by another daemon', async () => {
    const one = image(900_000);
    registry.add('app', 'v1', one);
    let isAway = false;
    const { digest } = cutting(one, 400_000, 1);
    const cut = registry.handler;
    registry.handler = (request, response) => {
      if (cut(request, response)) {
        isAway = true;
        return true;
      }
      if (!isAway || !request.url?.includes(digest)) return false;
      response.writeHead(503).end();
      return true;
    };
    assertRefused(await pull(`${name()}:v1`), /503/);
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    registry.handler = () => false;
    registry.seen.length = 0;
    const { code, stderr } = await pull(`${name()}:v1`);
    assert.equal(code, 0, stderr);
    const [start = 0, ...more] = starts(digest);
    assert.ok(start > 200_000 && start <= 400_000, `began at ${start}`);
    assert.deepEqual(more, []);
  });
});
