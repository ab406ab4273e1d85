// What a hostile Dockerfile, context or image must not reach: each class of CVE that other builders had, by name. And what a build leaves
// behind when its client, its step or the daemon goes.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BuildBench } from './build-harness.ts';
import { eventually } from './engine-harness.ts';
import { type Entry, makeTar } from './make-tar.ts';

let bench: BuildBench;
/** A file of the host that no build may see or change. */
let outside: string;

before(async () => {
  bench = await BuildBench.start('bld5');
  outside = join(bench.engine.dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'key'), 'host key');
});

after(async () => {
  await bench.engine.close();
});

const built = (...args: Parameters<BuildBench['built']>) => bench.built(...args);
const refused = (...args: Parameters<BuildBench['refused']>) => bench.refused(...args);

/** A context that no CLI would make. */
function send(dockerfile: string, entries: Entry[], query: Record<string, string> = {}) {
  return bench.post(query, makeTar([{ name: 'Dockerfile', content: dockerfile }, ...entries]));
}

const toOutside = () => [
  { name: 'abs', type: '2', link: outside },
  { name: 'up', type: '2', link: '../'.repeat(12) + outside.slice(1) },
];

describe('links in a context lead nowhere but into it', () => {
  for (const link of ['abs', 'up']) {
    test(`COPY through the link "${link}" finds nothing`, async () => {
      const { text } = await send(`FROM base\nCOPY ${link}/key /stolen\n`, toOutside());
      assert.match(text, /COPY failed: file not found in build context/);
    });

    test(`CVE-2024-1753: a bind mount whose source is the link "${link}" is refused, read-only or not`, async () => {
      for (const mode of ['ro', 'rw']) {
        const { text } = await send(
          `FROM base\nRUN --mount=type=bind,source=${link},target=/m,${mode} cat /m/key\n`,
          toOutside(),
        );
        assert.match(text, /not (found|a|in)|no file or folder|file does not exist/);
        assert.doesNotMatch(text, /host key/);
      }
    });

    test(`the Dockerfile and the ignore file are not read through the link "${link}"`, async () => {
      const dockerfile = makeTar([...toOutside()]);
      const { status, text } = await bench.post({ dockerfile: `${link}/key` }, dockerfile);
      assert.equal(status, 400);
      assert.doesNotMatch(text, /host key/);
    });
  }

  test('a link that is copied stays a link, and shows the image its own file', async () => {
    const { text } = await send('FROM base\nCOPY folder /f\nRUN ! cat /f/abs/key\n', [
      { name: 'folder/', type: '5', mode: 0o755 },
      { name: 'folder/abs', type: '2', link: outside },
    ]);
    assert.match(text, /Successfully built/);
  });

  test('a tar that climbs out of the context is refused whole', async () => {
    for (const name of ['../escape', '/tmp/escape', 'a/../../escape']) {
      const { status } = await send('FROM base\n', [{ name, content: 'x' }]);
      assert.equal(status, 400, name);
    }
    const device = await send('FROM base\n', [{ name: 'disk', type: '4', device: [8, 0] }]);
    assert.equal(device.status, 400);
  });

  test('CVE-2024-9407 and 9675: mount options and cache ids are names, never paths or flags', async () => {
    await built('ids', 'FROM base\nRUN --mount=type=cache,id=../../../../etc,target=/c echo x > /c/passwd\n');
    assert.ok(!existsSync(join(bench.engine.root, 'etc')));
    const mounts = readdirSync(join(bench.engine.root, 'build-cache/mounts'));
    assert.ok(mounts.every((name) => /^[0-9a-f]{64}$/.test(name)));
    assert.match(
      await refused('FROM base\nRUN --mount=type=bind,target=/x,bind-propagation=shared true\n'),
      /unexpected key "bind-propagation"/,
    );
    assert.match(await refused('FROM base\nRUN --mount=type=cache,target=/x:/y true\n'), /holds a colon/);
    assert.match(await refused('FROM base\nRUN --mount=type=cache,target=/ true\n'), /cannot be "\/"/);
    assert.match(
      await refused('FROM base\nRUN --mount=type=cache,target=/x,source=../.. true\n'),
      /needs a from/,
    );
  });

  test('CVE-2024-23651: a link planted in a cache mount leads nowhere when another step uses it', async () => {
    await built('plant', `FROM base\nRUN --mount=type=cache,id=p,target=/c ln -s ${outside} /c/way\n`);
    const out = await built(
      'follow',
      'FROM base\nRUN --mount=type=cache,id=p,target=/c cat /c/way/key 2>&1 || echo nothing there\n',
    );
    assert.match(out, /nothing there/);
    assert.doesNotMatch(out, /host key/);
  });

  test('CVE-2024-23652: what a step puts in the place of a mount point is not followed when that is taken away', async () => {
    await built(
      'stub',
      `FROM base\nRUN --mount=type=tmpfs,target=/a/b/c true\nRUN --mount=type=cache,target=/new/deep rmdir /new 2>/dev/null; ln -s ${outside} /a || true\n`,
    );
    assert.ok(existsSync(join(outside, 'key')));
    assert.equal(
      await bench.sh('stub', 'ls -d /new 2>&1 || true'),
      "ls: cannot access '/new': No such file or directory\n",
    );
  });

  test('CVE-2024-11218 and 2025-4953: parallel steps write into no context and no other stage', async () => {
    const dockerfile = `FROM base AS a
RUN --mount=target=/ctx,rw ln -sf ${outside} /ctx/f; echo a > /ctx/new
FROM base AS b
RUN --mount=target=/ctx,rw cat /ctx/f > /b; ls /ctx >> /b
FROM base
COPY --from=b /b /b
RUN --mount=from=b,source=/b,target=/m,rw echo changed > /m
RUN --mount=target=/ctx ls /ctx > /c; cat /ctx/f >> /c
COPY --from=a /etc/passwd /a
`;
    await built('apart', dockerfile, { f: 'context\n' });
    assert.equal(await bench.sh('apart', 'cat /b /c'), 'context\nDockerfile\nf\nDockerfile\nf\ncontext\n');
  });
});

describe('links in an image lead nowhere but into it', () => {
  test('COPY to and from paths that the image made links of the host', async () => {
    const dockerfile = `FROM base AS evil
RUN ln -s ${outside} /out && ln -s ${'../'.repeat(12)}${outside.slice(1)} /up && ln -s /out/key /file
FROM evil
COPY f /out/planted
COPY f /file
COPY --from=evil /etc/passwd /up/
`;
    await bench.build({ Dockerfile: dockerfile, f: 'x' });
    assert.deepEqual(readdirSync(outside), ['key']);
    for (const path of ['/out/key', '/up/key', '/file']) {
      const err = await refused(
        `FROM base AS evil\nRUN ln -s ${outside} /out; ln -s /out/key /file; ln -s ${outside} /up\nFROM base\nCOPY --from=evil ${path} /stolen\n`,
      );
      assert.match(err, /not found in "evil"|does not exist/);
    }
  });

  test('WORKDIR and --chown read nothing outside', async () => {
    await built(
      'links',
      `FROM base\nRUN rm /etc/passwd && ln -s ${join(outside, 'key')} /etc/passwd\nWORKDIR /w\n`,
    );
    assert.match(await refused(`FROM links\nCOPY --chown=root f /f\n`, { f: 'x' }), /no such user/);
  });
});

test('a build of a scope reaches no image by its id, which another scope may have made', async () => {
  await built('hidden', 'FROM base\nRUN echo source of another app > /code\n');
  const { Id } = await bench.inspect('hidden');
  const scope = { 'X-Berth-Build-Scope': 'app-b' };
  for (const name of [Id, Id.slice(7), Id.slice(7, 19)])
    for (const dockerfile of [
      `FROM ${name}\nRUN cat /code\n`,
      `FROM base\nCOPY --from=${name} /code /c\nRUN cat /c\n`,
    ]) {
      const { text } = await bench.post({}, bench.dockerfileTar(dockerfile), scope);
      assert.match(text, /no such image/, dockerfile);
      assert.doesNotMatch(text, /source of another app/);
    }
  const own = await bench.post({}, bench.dockerfileTar(`FROM ${Id.slice(7, 19)}\n`));
  assert.match(own.text, /Successfully built/);
  const named = await bench.post({}, bench.dockerfileTar('FROM base\n'), scope);
  assert.match(named.text, /Successfully built/);
});

test('a build of a scope does not make the engine call what listens on the host itself', async () => {
  let calls = 0;
  const server = createServer((_call, answer) => {
    calls += 1;
    answer.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  try {
    for (const host of ['127.0.0.1', 'localhost']) {
      const tar = bench.dockerfileTar(`FROM ${host}:${port}/secret/app\n`);
      const { text } = await bench.post({}, tar, { 'X-Berth-Build-Scope': 'app-b' });
      assert.match(text, /is this host itself/);
      assert.equal(calls, 0);
    }
    // The operator's own build may: a registry on localhost is how many begin.
    await bench.post({}, bench.dockerfileTar(`FROM 127.0.0.1:${port}/secret/app\n`));
    assert.ok(calls > 0);
  } finally {
    server.close();
  }
});

describe('ADD', () => {
  let server: ReturnType<typeof createServer>;
  let url: string;

  before(async () => {
    server = createServer((call, answer) => {
      if (call.url === '/moved') answer.writeHead(302, { Location: '/file.txt' }).end();
      else if (call.url === '/file.txt')
        answer.writeHead(200, { 'Last-Modified': 'Sun, 09 Sep 2001 01:46:40 GMT' }).end('downloaded\n');
      else answer.writeHead(404).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.close();
  });

  test('downloads, follows redirects and checks the digest, where the build may use the host', async () => {
    const digest = '75c64dcdfbdb11f6a7a3cd7ecac5a4d61d7e85bd2ff4c1e1ee2fb3a1d4b7a7b5';
    await built('download', `FROM base\nADD ${url}/file.txt ${url}/moved /d/\n`, {}, ['--network', 'host']);
    assert.equal(
      await bench.sh('download', 'cat /d/file.txt /d/moved; stat -c "%a %Y" /d/file.txt'),
      'downloaded\ndownloaded\n600 1000000000\n',
    );
    const err = await refused(`FROM base\nADD --checksum=sha256:${digest} ${url}/file.txt /d/\n`, {}, [
      '--network',
      'host',
    ]);
    assert.match(err, /digest mismatch sha256:/);
    assert.match(
      await refused(`FROM base\nADD ${url}/missing /d/\n`, {}, ['--network', 'host']),
      /the server answered 404/,
    );
  });

  test('a Dockerfile cannot make the daemon fetch from the host or its networks', async () => {
    const port = new URL(url).port;
    for (const host of [
      '127.0.0.1',
      'localhost',
      '169.254.169.254',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '2130706433',
    ])
      assert.match(
        await refused(`FROM base\nADD http://${host}:${port}/file.txt /d/\n`),
        /ADD does not download from|failed to download/,
        host,
      );
  });
});

describe('a build that ends early leaves nothing', () => {
  const slow = 'FROM base\nRUN echo be""gun; sleep 60\n';

  /** Starts a build and gives a way to end it once the step runs. */
  async function begin(): Promise<() => void> {
    const call = request({ socketPath: bench.engine.socketPath, method: 'POST', path: '/build' });
    call.on('error', () => {});
    const running = new Promise<void>((done) => {
      call.on('response', (response) => {
        response.on('error', () => {});
        response.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('begun')) done();
        });
      });
    });
    call.end(bench.dockerfileTar(slow));
    await running;
    return () => call.destroy();
  }

  test('when the client goes, the step is killed', async () => {
    const leave = await begin();
    assert.equal(bench.engine.cgroupProcesses().length > 0, true);
    leave();
    await eventually('the step is gone', () => Promise.resolve(bench.engine.cgroupProcesses().length === 0));
    await eventually('its container too', async () => (await bench.docker(['ps', '-aq'])).out === '');
  });

  test('when the daemon is killed, the next one removes the step', async () => {
    const leave = await begin();
    await bench.engine.stopDaemon('SIGKILL');
    leave();
    await bench.engine.startDaemon();
    assert.equal((await bench.docker(['ps', '-aq'])).out, '');
    await eventually('no process is left', () =>
      Promise.resolve(bench.engine.cgroupProcesses().length === 0),
    );
    assert.deepEqual(
      readdirSync(join(bench.engine.root, 'layers')).filter((name) => name.startsWith('.tmp-')),
      [],
    );
  });

  test('a step that forks without end dies with its build', async () => {
    const { code } = await bench.build({ Dockerfile: 'FROM base\nRUN (sleep 300 & sleep 300 & true)\n' });
    assert.equal(code, 0);
    assert.deepEqual(bench.engine.cgroupProcesses(), []);
  });

  test('a context that is cut off is refused', async () => {
    const tar = bench.dockerfileTar('FROM base\n');
    const { status } = await bench.post({}, tar.subarray(0, 300));
    assert.equal(status, 400);
  });
});

test('a user namespace of its own, no new privileges and no capability beyond the default, in a RUN', async () => {
  const out = await built(
    'walls',
    'FROM base\nRUN cat /proc/self/uid_map; grep -E "NoNewPrivs|CapBnd|Seccomp:" /proc/self/status\n',
  );
  assert.match(out, /\n +0 +[1-9]\d{5,} +65536\n/);
  assert.match(out, /NoNewPrivs:\t1/);
  assert.match(out, /Seccomp:\t2/);
});
