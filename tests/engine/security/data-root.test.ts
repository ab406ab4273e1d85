// What users of the host reach of the engine's folders. An image may bring programs that are setuid root, and a container's root may make
// some: on the disk they belong to root, so nobody of the host may be able to run them there (CVE-2021-41091, GHSA-c2h3-6mxw-7mvq).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { guestProgram } from '../config.ts';
import { TestEngine } from '../engine-harness.ts';
import { makeTar } from '../make-tar.ts';

const nobody = 65534;
let engine: TestEngine;

before(async () => {
  engine = new TestEngine('sroo');
  await engine.startDaemon();
  chmodSync(engine.dir, 0o755); // the test's own folder is private: the walls in question begin below it
  await engine.makeImage();
});

after(() => engine.close());

/** What a user of the host gets who knows the path and runs it. */
async function runAsNobody(path: string): Promise<string> {
  const work = promisify(execFile)(path, ['id'], { uid: nobody, gid: nobody, cwd: '/' });
  return work.then(
    ({ stdout }) => stdout,
    (error: NodeJS.ErrnoException) => String(error.code),
  );
}

test('CVE-2021-41091: a setuid program of an image cannot be run by users of the host', async () => {
  const layer = await engine.client.makeLayer(
    Readable.from([makeTar([{ name: 'rootshell', mode: 0o4755, content: readFileSync(guestProgram) }])]),
    {},
  );
  const program = join(engine.root, 'layers', layer.diffId.slice('sha256:'.length), 'diff/rootshell');
  const { mode, uid } = statSync(program);
  assert.deepEqual([mode & 0o7777, uid], [0o4755, 0], 'it is there, setuid and of root');
  assert.equal(await runAsNobody(program), 'EACCES');
});

test('CVE-2021-41091: nor one that the root of a container made setuid', async () => {
  const id = await engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'id'] });
  const file = join(engine.dir, 'rootshell');
  writeFileSync(file, readFileSync(guestProgram));
  chmodSync(file, 0o4755);
  assert.equal((await engine.docker(['cp', file, `${id}:/rootshell`])).code, 0);
  const program = join(engine.root, 'containers', id, 'upper/rootshell');
  assert.equal(statSync(program).mode & 0o7000, 0o4000);
  assert.equal(await runAsNobody(program), 'EACCES');
});

test('below ROOT no folder lets a user of the host through, not even one of an engine that was more open', async () => {
  await engine.stopDaemon('SIGTERM');
  for (const name of ['layers', 'containers']) chmodSync(join(engine.root, name), 0o711);
  await engine.startDaemon();
  const open = readdirSync(engine.root, { withFileTypes: true })
    .filter((entry) => (statSync(join(engine.root, entry.name)).mode & 0o077) !== 0)
    .map(({ name }) => name);
  assert.deepEqual(open, []);
  assert.equal(statSync(engine.run).mode & 0o777, 0o700);
});

test('CVE-2020-15257: sockets of shims are files of their owner, and answer no other user who gets that far', async (t) => {
  const id = await engine.runDetached(['/guest', 'sleep', '60000']);
  t.after(() => engine.client.removeContainer(id, { force: true }));
  const folder = join(engine.run, 'containers', id);
  const socket = join(folder, 'shim.sock');
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  const ask = `try { process.chdir(${JSON.stringify(folder)}); } catch (e) { console.log(e.code); process.exit(); }
    const s = require('net').connect('shim.sock'); // its whole path is longer than an address
    const body = Buffer.from('{"id":1,"op":"state"}'), head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    s.on('error', (e) => console.log(e.code)).on('close', () => console.log('closed'));
    s.on('data', (d) => console.log(String(d.subarray(4)))).end(Buffer.concat([head, body]));`;
  const asNobody = () =>
    promisify(execFile)(process.execPath, ['-e', ask], { uid: nobody, gid: nobody, cwd: '/' });
  assert.match((await asNobody()).stdout, /^EACCES/);
  for (const path of [engine.run, join(engine.run, 'containers'), folder]) chmodSync(path, 0o755);
  chmodSync(socket, 0o666); // as if somebody had opened every door
  try {
    const { stdout } = await asNobody();
    assert.match(stdout, /closed/);
    assert.doesNotMatch(stdout, /running/);
    const own = await promisify(execFile)(process.execPath, ['-e', ask], { cwd: '/' });
    assert.match(own.stdout, /"status":"running"/, 'its owner is answered');
  } finally {
    for (const path of [engine.run, join(engine.run, 'containers'), folder]) chmodSync(path, 0o700);
  }
});

test('CVE-2020-15257: no process of the engine listens on an abstract socket, which containers with the network of the host would reach', async (t) => {
  const id = await engine.runDetached(['/guest', 'sleep', '60000'], { HostConfig: { NetworkMode: 'host' } });
  t.after(() => engine.client.removeContainer(id, { force: true }));
  const { stdout } = await engine.docker(['exec', id, '/guest', 'cat', '/proc/net/unix']);
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${await pidOf(id)}/status`, 'utf8'))?.[1]);
  const inodes = new Set([engine.daemonPid, engine.helperPid, shim].flatMap(socketsOf));
  assert.ok(inodes.size > 3, 'they do have sockets');
  // num refcount protocol flags type state inode path
  const listed = stdout.split('\n').map((line) => line.split(/\s+/));
  const ours = listed.filter(([, , , , , , inode]) => inodes.has(inode ?? ''));
  assert.ok(ours.length > 0, 'which are seen from there');
  assert.deepEqual(
    ours.filter(([, , , , , , , path]) => path?.startsWith('@')),
    [],
  );
  assert.ok(existsSync(join(engine.run, 'containers', id, 'shim.sock')), 'while the shim does listen');
});

async function pidOf(id: string): Promise<number> {
  return (await engine.client.inspectContainer(id)).State.Pid;
}

/** The inodes of a process's sockets. A descriptor may be closed by the time it is looked at. */
function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}
