// Images on this host, as docker's users handle them: archives that are saved and loaded, roots that are imported, names that come and go.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { guestTar, TestEngine } from './engine-harness.ts';
import { digestOf } from './fake-registry.ts';
import { makeTar } from './make-tar.ts';
import { checkConfig, checkIndex, checkManifest } from './oci-image-shape.ts';
import { lacks, runOk } from './registry-clients.ts';
import { makeLayout } from './registry-harness.ts';

let engine: TestEngine;
let dir = '';

before(async () => {
  engine = await TestEngine.start('bimage');
  dir = mkdtempSync('/var/tmp/images-test-');
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

async function refused(wanted: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await engine.docker(args);
  assert.notEqual(code, 0, `docker ${args.join(' ')} is refused`);
  assert.match(stderr, wanted);
}

const idOf = async (name: string) => (await docker('images', '-q', '--no-trunc', name)).trim();
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

function unpacked(archive: string): string {
  const folder = mkdtempSync(join(dir, 'unpacked-'));
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  return folder;
}

describe('save and load', () => {
  test('an archive of several images is a Docker archive and an OCI layout, the same each time', async () => {
    await docker('tag', 'guest', 'saved/app:v1');
    await docker('tag', 'guest', 'saved/app:v2');
    const [first, second] = [join(dir, 'first.tar'), join(dir, 'second.tar')];
    await docker('save', '-o', first, 'saved/app', 'guest');
    await docker('save', '-o', second, 'saved/app', 'guest');
    assert.ok(readFileSync(first).equals(readFileSync(second)));
    const folder = unpacked(first);
    const index = json(join(folder, 'index.json')) as { manifests: { digest: string }[] };
    checkIndex(index);
    const blob = (digest: string) => join(folder, 'blobs/sha256', digest.slice('sha256:'.length));
    const manifest = json(blob(index.manifests[0]?.digest ?? '')) as { config: { digest: string } };
    checkManifest(manifest);
    checkConfig(json(blob(manifest.config.digest)));
    for (const name of readdirSync(join(folder, 'blobs/sha256')))
      assert.equal(digestOf(readFileSync(join(folder, 'blobs/sha256', name))), `sha256:${name}`);
    assert.equal(manifest.config.digest, engine.image);
    const [entry] = json(join(folder, 'manifest.json')) as unknown as { RepoTags: string[] }[];
    assert.deepEqual(entry?.RepoTags, ['saved/app:v1', 'saved/app:v2', 'guest:latest']);
    await docker('rmi', 'saved/app:v1', 'saved/app:v2');
  });

  test('what was saved is loaded as the same image, also compressed', async () => {
    const plain = join(dir, 'plain.tar');
    await docker('tag', 'guest', 'other:v1');
    await docker('save', '-o', plain, 'other:v1');
    for (const [kind, bytes] of [
      ['gzip', gzipSync(readFileSync(plain))],
      ['zstd', zstdCompressSync(readFileSync(plain))],
    ] as const) {
      await docker('rmi', 'other:v1');
      writeFileSync(join(dir, kind), bytes);
      assert.equal(await docker('load', '-i', join(dir, kind)), 'Loaded image: other:v1\n');
      assert.equal(await idOf('other:v1'), engine.image);
    }
    await docker('rmi', 'other:v1');
  });

  test('other tools read what is saved, and what they write is loaded', {
    skip: lacks('skopeo'),
  }, async () => {
    const saved = join(dir, 'saved.tar');
    await docker('save', '-o', saved, 'guest');
    const copy = ['--insecure-policy', 'copy', '-q'];
    const archive = (kind: string) => `${kind}:${join(dir, `skopeo-${kind}.tar`)}:theirs:v1`;
    await runOk('skopeo', [...copy, `docker-archive:${saved}:guest:latest`, archive('docker-archive')], {
      HOME: dir,
    });
    await runOk('skopeo', [...copy, `oci-archive:${saved}`, archive('oci-archive')], { HOME: dir });
    for (const kind of ['docker-archive', 'oci-archive']) {
      const loaded = await docker('load', '-i', join(dir, `skopeo-${kind}.tar`));
      assert.match(loaded, /^Loaded image(?: ID)?: /);
      assert.equal(await idOf('theirs:v1'), engine.image);
      await docker('rmi', 'theirs:v1');
    }
  });

  test('layers that only their makers can tar are saved as they came', async () => {
    const folder = join(dir, 'foreign');
    mkdirSync(folder);
    const { layout } = makeLayout(folder);
    execFileSync('tar', ['-cf', join(dir, 'foreign.tar'), '-C', layout, '.']);
    const loaded = await docker('load', '-i', join(dir, 'foreign.tar'));
    const [, id = ''] = /Loaded image ID: (\S+)/.exec(loaded) ?? [];
    await docker('tag', id, 'foreign:v1');
    await docker('save', '-o', join(dir, 'again.tar'), 'foreign:v1');
    const blobs = join(unpacked(join(dir, 'again.tar')), 'blobs/sha256');
    for (const name of readdirSync(blobs))
      assert.equal(digestOf(readFileSync(join(blobs, name))), `sha256:${name}`);
    await docker('rmi', 'foreign:v1');
  });

  test('an archive without an image is refused with a sentence', async () => {
    writeFileSync(join(dir, 'empty.tar'), makeTar([{ name: 'hello', content: 'x' }]));
    await refused(/neither "manifest.json" nor "index.json"/, 'load', '-i', join(dir, 'empty.tar'));
    await refused(/No such image: nowhere:latest/, 'save', '-o', join(dir, 'no.tar'), 'nowhere');
  });
});

describe('import and commit', () => {
  test('a root filesystem becomes an image, with changes, from a file and from a URL', async () => {
    const tar = guestTar(engine.dir);
    writeFileSync(join(dir, 'root.tar.gz'), gzipSync(tar));
    const changes = [
      'CMD ["/guest","id"]',
      'ENV A=1 B="two words"',
      'LABEL x=y',
      'EXPOSE 80',
      'VOLUME /data',
    ];
    const flags = changes.flatMap((change) => ['-c', change]);
    const printed = await docker(
      'import',
      ...flags,
      '-m',
      'by hand',
      join(dir, 'root.tar.gz'),
      'imported:v1',
    );
    assert.equal(printed.trim(), await idOf('imported:v1'));
    const config = JSON.parse(
      await docker('image', 'inspect', '-f', '{{json .Config}}', 'imported:v1'),
    ) as object;
    assert.partialDeepStrictEqual(config, {
      Cmd: ['/guest', 'id'],
      Env: ['A=1', 'B=two words'],
      Labels: { x: 'y' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
    });
    assert.match(await docker('history', 'imported:v1'), /by hand/);
    await docker('rmi', 'imported:v1');
    const server = createServer((_request, response) => response.end(tar));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/root.tar`;
      await docker('import', '-c', 'CMD /guest id', url, 'imported:v2');
    } finally {
      server.close();
    }
    await docker('rmi', 'imported:v2');
  });

  test('what cannot be imported is refused before the archive is sent', async () => {
    writeFileSync(join(dir, 'root.tar'), guestTar(engine.dir));
    await refused(/not a valid change command/, 'import', '-c', 'RUN ls', join(dir, 'root.tar'));
    await refused(
      /imports images for "linux\/amd64" only/,
      'import',
      '--platform',
      'linux/arm64',
      join(dir, 'root.tar'),
    );
  });

  test('a commit takes changes', async () => {
    const id = await engine.runDetached(['/guest', 'id'], {}, 'committed');
    await docker('wait', 'committed');
    await docker(
      'commit',
      '-c',
      'LABEL made=here',
      '-c',
      'CMD ["/guest","env"]',
      '-m',
      'said',
      'committed',
      'made:v1',
    );
    const labels = await docker('image', 'inspect', '-f', '{{json .Config.Labels}} {{.Comment}}', 'made:v1');
    assert.equal(labels, '{"made":"here"} said\n');
    await engine.client.removeContainer(id);
    await docker('rmi', 'made:v1');
  });
});

describe('names', () => {
  test('an image goes with its last name, and not while a container needs it', async () => {
    await docker('tag', 'guest', 'one:v1');
    await docker('tag', 'guest', 'two:v1');
    assert.equal(await docker('rmi', 'one:v1'), 'Untagged: one:v1\n');
    await refused(
      /conflict: unable to delete \w{12} \(must be forced\) - image is referenced in multiple/,
      'rmi',
      engine.image,
    );
    await docker('import', '-c', 'CMD ["/guest","sleep"]', join(dir, 'root.tar'), 'used:v1');
    const id = await idOf('used:v1');
    const container = (await docker('create', 'used:v1')).trim().slice(0, 12);
    await refused(
      new RegExp(
        `unable to remove repository reference "used:v1" \\(must force\\) - container ${container} is using`,
      ),
      'rmi',
      'used:v1',
    );
    await refused(/\(must be forced\) - image is being used by stopped container/, 'rmi', id);
    assert.equal(await docker('rmi', '-f', 'used:v1'), 'Untagged: used:v1\n');
    await docker('rm', container);
    assert.equal(await docker('rmi', id), `Deleted: ${id}\n`);
    await refused(/No such image: used:v1/, 'rmi', 'used:v1');
    await docker('rmi', 'two:v1');
  });

  test('the image of a running container stays, force or not', async () => {
    await docker('import', '-c', 'CMD ["/guest","sleep"]', join(dir, 'root.tar'), 'busy:v1');
    const container = (await docker('run', '-d', 'busy:v1', '/guest', 'sleep', '60')).trim();
    await refused(
      /\(cannot be forced\) - image is being used by running container/,
      'rmi',
      '-f',
      await idOf('busy:v1'),
    );
    await docker('rm', '-f', container);
    await docker('rmi', 'busy:v1');
  });

  test('lists are filtered by name, label, age and danglingness', async () => {
    await docker('import', '-c', 'LABEL tier=web', join(dir, 'root.tar'), 'filter/web:v1');
    await docker('tag', 'filter/web:v1', 'filter/web:v2');
    await docker('import', '-c', 'LABEL tier=db', join(dir, 'root.tar'));
    const names = async (...filters: string[]) => {
      const flags = filters.flatMap((filter) => ['--filter', filter]);
      const lines = await docker('images', ...flags, '--format', '{{.Repository}}:{{.Tag}}');
      return lines.trim().split('\n').filter(Boolean).sort();
    };
    assert.deepEqual(await names('reference=filter/*'), ['filter/web:v1', 'filter/web:v2']);
    assert.deepEqual(await names('reference=*/web:v2'), ['filter/web:v2']);
    assert.deepEqual(await names('label=tier=web'), ['filter/web:v1', 'filter/web:v2']);
    assert.deepEqual(await names('label=tier', 'dangling=true'), ['<none>:<none>']);
    assert.deepEqual(await names('since=guest', 'reference=filter/web:v1'), ['filter/web:v1']);
    assert.deepEqual(await names('before=guest', 'reference=filter/web'), []);
    assert.deepEqual(await names('until=2020-01-01', 'label=tier=web'), []);
    await refused(/invalid filter/, 'images', '--filter', 'dangling=perhaps');
  });

  test('prune takes what has no name, with -a what nothing uses, and says what it freed', async () => {
    assert.match(await docker('image', 'prune', '-f', '--filter', 'label=none'), /reclaimed space: 0B/);
    const pruned = await docker('image', 'prune', '-f');
    assert.match(pruned, /^deleted: sha256:\w{64}$/m);
    assert.equal((await idOf('filter/web:v1')) === '', false);
    const container = (await docker('create', 'guest')).trim();
    const all = await docker('image', 'prune', '-a', '-f', '--filter', 'label!=keep');
    assert.match(all, /^untagged: filter\/web:v1$/m);
    assert.equal(await idOf('guest'), engine.image);
    await docker('rm', container);
  });
});
