// The layer store under bad conditions: archives that break off, a killed daemon, a full disk, an OCI layout.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '@berth/engine-daemon/images/image-config.ts';
import { eventually, guestTar, TestEngine } from './engine-harness.ts';
import { makeTar } from './make-tar.ts';

let engine: TestEngine;

before(async () => {
  engine = new TestEngine('bdt4');
  // A small disk of its own, so that it can be filled.
  mkdirSync(engine.root, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=711', 'tmpfs', engine.root]);
  await engine.startDaemon();
  await engine.makeImage();
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

const unfinished = () => readdirSync(join(engine.root, 'layers')).filter((name) => name.startsWith('.tmp-'));
const tarOf = (bytes: number) => makeTar([{ name: 'big', content: Buffer.alloc(bytes, 'x') }]);

/** Sends half of an archive and then does what the test wants with the connection. */
function sendHalf(tar: Buffer) {
  const upload = request({ socketPath: engine.socketPath, method: 'POST', path: '/berth/layers' });
  upload.on('error', () => {});
  upload.setHeader('content-length', tar.length);
  upload.write(tar.subarray(0, tar.length / 2));
  return upload;
}

test('an upload that breaks off leaves no layer and no folder', async () => {
  const upload = sendHalf(tarOf(2_000_000));
  await eventually('it is being unpacked', () => Promise.resolve(unfinished().length > 0));
  upload.destroy();
  await eventually('the folder is gone', () => Promise.resolve(unfinished().length === 0));
});

test('a daemon that is killed in the middle of a layer cleans up when it starts again', async () => {
  sendHalf(tarOf(2_000_000));
  await eventually('it is being unpacked', () => Promise.resolve(unfinished().length > 0));
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
  await eventually('the folder is gone', () => Promise.resolve(unfinished().length === 0));
  assert.equal(await engine.client.hasLayer(engine.layer), true);
});

test('what a commit left out is gone from the store soon after, without anybody waiting for it', async () => {
  const id = await engine.runDetached(['/guest', 'write', '/etc/made', 'x', ',', 'write', '/tmp/junk', 'x']);
  await engine.client.waitContainer(id);
  await engine.client.commitLayer(id, { mtime: 0, exclude: ['/tmp', '/missing'] });
  await engine.client.removeContainer(id);
  await eventually('the folder is gone', () => Promise.resolve(unfinished().length === 0));
});

test('a full disk refuses the layer, says so, and keeps what was there', async () => {
  await assert.rejects(engine.client.makeLayer(Readable.from([tarOf(60_000_000)])), /space/);
  assert.deepEqual(unfinished(), []);
  const id = await engine.runDetached(['/guest', 'say', 'still works']);
  await engine.client.waitContainer(id);
  assert.equal(await engine.output(id), 'still works\n');
  await engine.client.removeContainer(id);
});

test('a start on a full disk says that the disk is full', async () => {
  const id = await engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'say', 'x'] });
  const filler = join(engine.root, 'filler');
  assert.throws(() => writeFileSync(filler, Buffer.alloc(40_000_000)), /ENOSPC/);
  try {
    await assert.rejects(engine.client.startContainer(id), /no space left/);
  } finally {
    rmSync(filler);
  }
  await engine.client.startContainer(id);
  await engine.client.waitContainer(id);
  await engine.client.removeContainer(id);
});

test('limits on bytes and files name the limit, and hostile names are refused', async () => {
  const send = (tar: Buffer, options = {}) => engine.client.makeLayer(Readable.from([tar]), options);
  await assert.rejects(send(tarOf(100_000), { maxBytes: 1000 }), /1000/);
  const many = makeTar(Array.from({ length: 20 }, (_, index) => ({ name: `f${index}` })));
  await assert.rejects(send(many, { maxFiles: 5 }), /5/);
  for (const name of ['../up', '/absolute']) await assert.rejects(send(makeTar([{ name }])), /"/);
  await assert.rejects(send(Buffer.from('not an archive at all'.repeat(100))));
  assert.deepEqual(unfinished(), []);
});

test('the same layer sent many times at once is made once', async () => {
  const tar = makeTar([{ name: 'file', content: 'content' }]);
  const made = await Promise.all(
    Array.from({ length: 8 }, () => engine.client.makeLayer(Readable.from([tar]), { mtime: 1 })),
  );
  assert.equal(new Set(made.map(({ diffId }) => diffId)).size, 1);
  assert.deepEqual(unfinished(), []);
});

test('a layer comes out as the tar that its digest names', async () => {
  const { diffId } = await engine.client.makeLayer(Readable.from([makeTar([{ name: 'a', content: 'b' }])]), {
    mtime: 5,
  });
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  request({ socketPath: engine.socketPath, path: `/berth/layers/${diffId}/tar` }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => resolve(Buffer.concat(chunks)));
  }).end();
  assert.equal(digestOf(await promise), diffId);
});

test('an OCI layout with compressed layers is loaded, tagged and runs', async () => {
  const layer = guestTar(engine.dir);
  const blobs = new Map<string, Buffer>();
  const blob = (content: Buffer | string) => {
    blobs.set(digestOf(content), Buffer.from(content));
    return { digest: digestOf(content), size: content.length };
  };
  const config = blob(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/guest', 'say', 'from oci'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  );
  const manifest = blob(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...blob(gzipSync(layer)) }],
    }),
  );
  const annotations = { 'io.containerd.image.name': 'docker.io/library/oci:v2' };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  const archive = makeTar([
    { name: 'index.json', content: JSON.stringify(index) },
    ...[...blobs].map(([digest, content]) => ({ name: `blobs/sha256/${digest.slice(7)}`, content })),
  ]);
  const path = join(engine.dir, 'oci.tar');
  writeFileSync(path, archive);
  assert.match((await engine.docker(['load', '-i', path])).stdout, /Loaded image: oci:v2/);
  assert.equal((await engine.docker(['run', '--rm', 'oci:v2'])).stdout, 'from oci\n');
});
