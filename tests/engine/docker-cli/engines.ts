// Both engines of the walk with the same image, loaded from the same archive: a static program as /guest, without a distribution, so
// that the walk is the same on every machine.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestTar, TestEngine } from '../engine-harness.ts';
import { makeTar } from '../make-tar.ts';
import { lacks, runOk } from '../registry-clients.ts';
import { Dockerd } from './dockerd.ts';
import { type Engine, environment } from './walker.ts';

export const noDockerd = lacks('dockerd', 'containerd', 'runc', 'unshare', 'iptables');

export async function startBerth(): Promise<{ engine: TestEngine; walked: Engine }> {
  const engine = new TestEngine('walk');
  await engine.startDaemon();
  const walked = { socket: engine.socketPath, dir: join(engine.dir, 'home') };
  await loadGuest(walked);
  return { engine, walked };
}

export async function startDockerd(): Promise<{ daemon: Dockerd; walked: Engine }> {
  const daemon = await Dockerd.start();
  const walked = { socket: daemon.socket, dir: join(daemon.dir, 'home') };
  await loadGuest(walked);
  return { daemon, walked };
}

async function loadGuest(engine: Engine): Promise<void> {
  mkdirSync(engine.dir, { recursive: true });
  const archive = join(engine.dir, 'guest.tar');
  writeFileSync(archive, guestArchive(engine.dir));
  await runOk('docker', ['load', '-i', archive], environment(engine));
}

/** What `docker save` would write. */
function guestArchive(dir: string): Buffer {
  const layer = guestTar(dir);
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: { Env: ['PATH=/bin', 'GREETING=hello'], Cmd: ['/guest', 'id'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'guest' }],
  });
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  const manifest = JSON.stringify([{ Config: name, RepoTags: ['guest:latest'], Layers: ['layer.tar'] }]);
  return makeTar([
    { name, content: config },
    { name: 'layer.tar', content: layer },
    { name: 'manifest.json', content: manifest },
  ]);
}
