// What a client, a registry's archive or a container could send without end: the daemon and the shims take none of it into their memory, and
// nothing makes them wait for ever.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync } from 'node:zlib';
import { eventually, TestEngine } from '../engine-harness.ts';
import { type Entry, makeTar } from '../make-tar.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('sexh');
});

after(() => engine.close());

/** Memory of its own, in megabytes. */
function memory(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function load(entries: Entry[], compress = false): Promise<string> {
  const file = join(engine.dir, 'archive.tar');
  const tar = makeTar(entries);
  writeFileSync(file, compress ? gzipSync(tar, { level: constants.Z_BEST_SPEED }) : tar);
  const { code, stdout, stderr } = await engine.docker(['load', '-i', file]);
  return code === 0 && !stdout.includes('rror') ? 'loaded' : stdout + stderr;
}

test('GO-2022-0482, GO-2025-4108: a bomb in the place of a manifest or a config is refused, and never held in memory', async () => {
  const before = memory(engine.daemonPid);
  const bomb = Buffer.alloc(80 << 20, ' ');
  assert.match(await load([{ name: 'manifest.json', content: bomb }], true), /too large/);
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: ['bomb:1'], Layers: [] }]);
  const entries = [
    { name: 'manifest.json', content: manifest },
    { name: 'config.json', content: bomb },
  ];
  assert.match(await load(entries, true), /too large/);
  assert.ok(memory(engine.daemonPid) - before < 60, `${before} MB became ${memory(engine.daemonPid)}`);
  assert.deepEqual(
    readdirSync(join(engine.root, 'layers')).filter((name) => name.startsWith('.tmp')),
    [],
  );
});

test('CVE-2021-21285: a malformed archive is refused with a sentence, and the daemon lives on', async () => {
  const config = { name: 'c.json', content: '{"rootfs":{"type":"layers","diff_ids":[]}}' };
  const texts = [
    '',
    'null',
    '[]',
    '{}',
    '[null]',
    '[{"Config":5}]',
    '[{"Config":"c.json","Layers":"x"}]',
    '[{"Config":"../../../../etc/passwd"}]',
    '[{"Config":"c.json","RepoTags":[null],"Layers":[]}]',
    `${'['.repeat(50_000)}`,
    '[{"Config":"c.json","RepoTags":["../../x"],"Layers":[]}]',
  ];
  for (const content of texts)
    assert.notEqual(await load([{ name: 'manifest.json', content }, config]), '', content);
  for (const text of [
    'null',
    '{}',
    '{"rootfs":null}',
    '{"rootfs":{"diff_ids":[7]}}',
    '{"rootfs":{"diff_ids":["sha256:../../x"]}}',
    '7',
    '"',
  ])
    assert.notEqual(
      await load([
        { name: 'manifest.json', content: '[{"Config":"c.json","RepoTags":["m:1"],"Layers":["l"]}]' },
        { name: 'c.json', content: text },
        { name: 'l', content: makeTar([]) },
      ]),
      'loaded',
      text,
    );
  await engine.client.ping();
});

test('an archive with a FIFO in the place of a file makes nobody wait', async () => {
  const fifo = { name: 'fifo', type: '6' };
  for (const [Config, layer] of [
    ['fifo', 'l'],
    ['c.json', 'fifo'],
  ] as const) {
    const manifest = JSON.stringify([{ Config, RepoTags: ['f:1'], Layers: [layer] }]);
    const diffId = `sha256:${'1'.repeat(64)}`;
    const entries = [
      { name: 'manifest.json', content: manifest },
      {
        name: 'c.json',
        content: JSON.stringify({
          os: 'linux',
          architecture: 'amd64',
          rootfs: { type: 'layers', diff_ids: [diffId] },
        }),
      },
      fifo,
    ];
    const asked = load(entries);
    assert.match(
      await Promise.race([asked, once(AbortSignal.timeout(10_000), 'abort').then(() => 'it waits')]),
      /no file/,
    );
  }
  await engine.client.ping();
});

test('GO-2022-0482, GO-2022-1147: output that nobody reads is not held by daemon or shim', async (t) => {
  const id = await engine.runDetached(['/guest', 'sleep', '60000']);
  t.after(() => engine.client.removeContainer(id, { force: true }));
  const before = memory(engine.daemonPid);
  const readers = [1, 2, 3].map(() =>
    spawn('docker', ['exec', id, '/guest', 'lines', '1000000', '100'], {
      env: { PATH: process.env['PATH'], HOME: engine.dir, DOCKER_HOST: `unix://${engine.socketPath}` },
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  // Each writes 100 MB; its reader takes the first bytes and stops, with whatever the pipes hold.
  await Promise.all(readers.map(({ stdout }) => (stdout ? once(stdout, 'readable') : undefined)));
  t.after(() => readers.map((reader) => reader.kill('SIGKILL')));
  let written = 0;
  await eventually('they write no more, for nobody reads', () => {
    const now = writtenBytes();
    const isStill = now === written && now > 1 << 20;
    written = now;
    return sleep(100).then(() => isStill);
  });
  assert.ok(written < 60 << 20, `of 300 MB ${written >> 20} were taken`);
  const held = [memory(engine.daemonPid) - before, memory(shimOf(id))];
  assert.ok((held[0] ?? 99) < 60 && (held[1] ?? 99) < 12, `daemon ${held[0]} MB more, shim ${held[1]} MB`);
});

/** By the programs of all containers. */
function writtenBytes(): number {
  const files = engine.cgroupProcesses().map((pid) => `/proc/${pid}/io`);
  return files.reduce((sum, path) => sum + Number(/^wchar: (\d+)/m.exec(readFileSync(path, 'utf8'))?.[1]), 0);
}

function shimOf(id: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        .replaceAll('\0', ' ')
        .includes(`berth-shim ${id.slice(0, 12)}`);
    } catch {
      return false;
    }
  });
  return Number(found);
}
