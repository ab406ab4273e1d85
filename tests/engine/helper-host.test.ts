/**
 * berth-engine-helper as its daemon sees it: the protocol, starting shims, folders, the network and sysctls.
 * Bridges are called htest0, nft tables htest_…; each test removes its own. Needs engine-native/runtime/build.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { frame, HelperFixture } from './helper-fixture.ts';

const helper = new HelperFixture();
before(() => helper.open());
after(() => helper.close());

test('hello says what the host can do', async () => {
  const reply = await helper.call('hello');
  assert.equal(reply['pid'], helper.process.pid);
  assert.match(String(reply['cgroup']), /^v[12]$/);
  assert.equal(typeof reply['idmap'], 'boolean');
  assert.equal(reply['kernel'], readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
});

test('many requests on one connection are all answered, whatever their order', async () => {
  const client = helper.client();
  mkdirSync(helper.layer('busy'));
  const ids = new Set<number>();
  for (let n = 0; n < 60; n++)
    ids.add(client.send(n % 3 ? 'hello' : 'dir.usage', { dir: helper.layer('busy') }));
  for (let n = 0; n < 60; n++) assert.equal(ids.delete((await client.reply()).id ?? 0), true);
  client.close();
});

test('bad requests are named, and the connection lives on', async () => {
  const client = helper.client();
  for (const [payload, message] of [
    ['{', /^json: /],
    ['{"op":"hello"}', /"id" must be a whole number/],
    ['{"id":1}', /"op" is missing/],
    ['{"id":1,"op":"nope"}', /there is no op "nope"/],
    ['{"id":1,"op":"dir.usage"}', /"dir" is missing/],
    ['{"id":1,"op":"dir.usage","dir":7}', /"dir" must be a string/],
  ] as const) {
    client.socket.write(frame(payload));
    const { error } = await client.reply();
    assert.equal(error?.code, 'bad_request');
    assert.match(error.message, message);
  }
  client.send('hello');
  assert.equal((await client.reply()).ok, true);
  client.close();
});

test('a frame over the limit closes its connection and no other', async () => {
  const other = helper.client();
  const socket = net.connect(helper.socketPath);
  socket.write(Buffer.from([0x7f, 0, 0, 0]));
  socket.resume();
  await once(socket, 'close');
  other.send('hello');
  assert.equal((await other.reply()).ok, true);
  other.close();
});

test('only root and the owner may talk to the helper', async () => {
  chmodSync(helper.folder, 0o755);
  chmodSync(helper.run, 0o755);
  chmodSync(helper.socketPath, 0o666);
  const script = `
    const socket = require('node:net').connect(${JSON.stringify(helper.socketPath)});
    socket.on('error', () => {}).on('data', () => process.exit(7)).on('close', () => process.exit(8));
    socket.write(Buffer.from('${frame('{"id":1,"op":"hello"}').toString('hex')}', 'hex'));`;
  const codeOf = async (uid: number) => {
    const visitor = spawn(process.execPath, ['-e', script], { uid, gid: uid, cwd: '/', stdio: 'ignore' });
    return ((await once(visitor, 'exit')) as [number | null])[0];
  };
  const [owner, stranger] = [await codeOf(0), await codeOf(65534)];
  chmodSync(helper.socketPath, 0o600);
  chmodSync(helper.run, 0o700);
  assert.equal(owner, 7, 'root is answered');
  assert.equal(stranger, 8, 'a stranger is shut out');
});

test('a second helper on the same folder refuses to start', async () => {
  const { code, said } = await helper.startSecond();
  assert.equal(code, 1);
  assert.match(said, /^berth-engine-helper: another helper serves ".*"; stop it first\n$/);
});

test('a shim gets its spec and its ready pipe and nothing else of the helper', async () => {
  const reply = await helper.call('container.start', { spec: { id: 'fine' } });
  assert.equal(reply.ok, true, JSON.stringify(reply));
  assert.equal(reply['session'], reply['shimPid'], 'it leads a session of its own');
  assert.equal(reply['pid'], reply['shimPid']);
  assert.deepEqual(reply['fds'], [0, 1, 2, 3, 4]);
});

test('a shim that refuses, dies or babbles is an error that says so', async () => {
  const refused = await helper.call('container.start', { spec: { id: 'refuse' } });
  assert.deepEqual(refused.error, { code: 'exec_not_found', message: 'no "x"' });
  const died = await helper.call('container.start', { spec: { id: 'die' } });
  assert.deepEqual(died.error, {
    code: 'internal',
    message: '"container.start" ended with code 9 before it answered',
  });
  const babbled = await helper.call('container.start', { spec: { id: 'babble' } });
  assert.deepEqual(babbled.error, { code: 'internal', message: "the shim's ready line is not json" });
});

test('fifty starts at once all answer', async () => {
  const client = helper.client();
  for (let n = 0; n < 50; n++) client.send('container.start', { spec: { id: `s${n}` } });
  for (let n = 0; n < 50; n++) assert.equal((await client.reply()).ok, true);
  client.close();
});

test('removing a folder follows no link and touches nothing outside', async () => {
  const outside = mkdtempSync(path.join(helper.folder, 'outside-'));
  writeFileSync(path.join(outside, 'precious'), '1');
  const dir = helper.layer('doomed');
  mkdirSync(path.join(dir, 'locked/in'), { recursive: true });
  symlinkSync(outside, path.join(dir, 'link'));
  symlinkSync(outside, helper.layer('link'));
  chmodSync(path.join(dir, 'locked'), 0);
  assert.equal((await helper.call('dir.remove', { dir })).ok, true);
  assert.equal(existsSync(dir), false);
  assert.equal((await helper.call('dir.remove', { dir })).ok, true, 'again is no error');
  for (const bad of [
    outside,
    helper.root,
    `${helper.root}/`,
    `${helper.root}/../outside`,
    `${helper.layer('link')}/precious`,
  ])
    assert.equal((await helper.call('dir.remove', { dir: bad })).error?.code, 'bad_request', bad);
  assert.equal((await helper.call('dir.remove', { dir: helper.layer('link') })).ok, true);
  assert.equal(readFileSync(path.join(outside, 'precious'), 'utf8'), '1');
});

test('what is set aside is gone from its place at once, and no link leads the helper elsewhere', async () => {
  const outside = mkdtempSync(path.join(helper.folder, 'outside-'));
  writeFileSync(path.join(outside, 'precious'), '1');
  const [dir, into] = [helper.layer('cleared'), helper.layer('aside')];
  mkdirSync(path.join(dir, 'tmp/deep'), { recursive: true });
  mkdirSync(into);
  writeFileSync(path.join(dir, 'stays'), '');
  symlinkSync(outside, path.join(dir, 'link'));
  const below = (...names: string[]) => names.map((name) => path.join(dir, name));
  const setAside = (paths: string[]) => helper.call('dir.set_aside', { paths, into });
  assert.equal((await setAside(below('tmp', 'missing', 'missing/too', 'link'))).ok, true);
  assert.deepEqual(readdirSync(dir), ['stays']);
  assert.deepEqual(readdirSync(into).sort(), ['0', '3']);
  symlinkSync(outside, path.join(dir, 'link'));
  for (const bad of [below('link/precious'), [`${dir}/../cleared/stays`], [outside]])
    assert.equal((await setAside(bad)).error?.code, 'bad_request', bad[0]);
  assert.equal(readFileSync(path.join(outside, 'precious'), 'utf8'), '1');
  for (const folder of [dir, into]) assert.equal((await helper.call('dir.remove', { dir: folder })).ok, true);
});

test('a folder deeper than any path can name is removed', async () => {
  const dir = helper.layer('deep');
  mkdirSync(dir);
  execFileSync('bash', ['-c', 'n=$(printf "d%.0s" {1..100}); for i in {1..300}; do mkdir $n; cd $n; done'], {
    cwd: dir,
  });
  assert.equal((await helper.call('dir.remove', { dir })).ok, true);
  assert.equal(existsSync(dir), false);
});

test('usage counts disk blocks and a hard-linked file once', async () => {
  const dir = helper.layer('used');
  mkdirSync(dir);
  writeFileSync(path.join(dir, 'a'), Buffer.alloc(100_000));
  execFileSync('ln', [path.join(dir, 'a'), path.join(dir, 'b')]);
  const reply = await helper.call('dir.usage', { dir });
  assert.equal(reply['files'], 2);
  assert.ok(Number(reply['bytes']) >= 100_000 && Number(reply['bytes']) < 200_000, String(reply['bytes']));
  assert.equal((await helper.call('dir.usage', { dir: helper.layer('missing') })).error?.code, 'not_found');
  assert.equal((await helper.call('dir.sync', { dir })).ok, true);
});

test('a bridge is made once, kept, and removed once', async () => {
  const bridge = { bridge: 'htest0', address: '10.98.1.1/24', mtu: 1400 };
  try {
    assert.equal((await helper.call('net.ensure', bridge)).ok, true);
    assert.equal((await helper.call('net.ensure', bridge)).ok, true);
    const shown = execFileSync('ip', ['-br', 'address', 'show', 'htest0']).toString();
    assert.match(shown, /10\.98\.1\.1\/24/);
  } finally {
    assert.equal((await helper.call('net.remove', { bridge: 'htest0' })).ok, true);
  }
  assert.equal((await helper.call('net.remove', { bridge: 'htest0' })).ok, true);
  assert.equal((await helper.call('net.remove', { bridge: 'lo' })).error?.code, 'bad_request');
});

test('a ruleset is applied whole or not at all, and the refusal is one line', async () => {
  const apply = (ruleset: string) => helper.call('nft.apply', { ruleset });
  const tables = () => execFileSync('nft', ['list', 'tables']).toString();
  const name = `htest_${process.pid}`;
  const bad = await apply(`add table inet ${name}\nadd rule inet ${name} nowhere accept\n`);
  assert.equal(bad.error?.code, 'network');
  assert.match(bad.error?.message ?? '', /^nft refused the ruleset: [^\n]+$/);
  assert.equal(tables().includes(name), false);
  assert.equal((await apply(`add table inet ${name}\n`)).ok, true);
  assert.equal(tables().includes(name), true);
  assert.equal((await apply(`delete table inet ${name}\n`)).ok, true);
});

test('a waiting client is told when another program takes rules away, and not when a table is renewed', async () => {
  const name = `htest_${process.pid}_w`;
  const client = helper.client();
  try {
    execFileSync('nft', ['-f', '-'], { input: `table inet ${name} { chain c { accept; }; }` });
    client.send('nft.wait', { table: name });
    const again = `table inet ${name} {}\ndelete table inet ${name}\ntable inet ${name} { chain c { accept; }; }\n`;
    assert.equal((await helper.call('nft.apply', { ruleset: again })).ok, true);
    execFileSync('nft', ['add', 'table', 'inet', `${name}_other`]);
    execFileSync('nft', ['delete', 'table', 'inet', `${name}_other`]);
    client.send('hello');
    const first = await client.reply();
    assert.ok(first['version'], 'the first answer is that of hello: nothing was lost so far');
    execFileSync('nft', ['flush', 'chain', 'inet', name, 'c']);
    assert.equal((await client.reply()).ok, true);
  } finally {
    execFileSync('nft', ['delete', 'table', 'inet', name]);
    client.close();
  }
});

test('interfaces of the host cannot be touched in the name of a container', async () => {
  const itself = { pid: helper.process.pid, ifname: 'lo' };
  for (const op of ['net.disconnect', 'net.route'])
    assert.match((await helper.call(op, itself)).error?.message ?? '', /has the host's network/);
  const gone = await helper.call('net.disconnect', { pid: 4_000_000, ifname: 'eth0' });
  assert.equal(gone.error?.code, 'not_found');
});

test('a port is published in a table that is there, and withdrawn without complaint', async () => {
  const name = `htest_${process.pid}_p`;
  const ports = [{ proto: 'udp', ip: '', port: 8053, to: '10.201.0.5', toPort: 53 }];
  assert.equal((await helper.call('port.publish', { table: name, ports })).error?.code, 'not_found');
  const map = 'map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }';
  execFileSync('nft', ['-f', '-'], { input: `table inet ${name} {\n${map}\n}\n` });
  try {
    assert.equal((await helper.call('port.publish', { table: name, ports })).ok, true);
    const list = () => execFileSync('nft', ['list', 'table', 'inet', name]).toString();
    assert.match(list(), /udp \. 8053 : 10\.201\.0\.5 \. 53/);
    for (const op of ['port.withdraw', 'port.withdraw', 'port.forget'])
      assert.equal((await helper.call(op, { table: name, ports })).ok, true);
    assert.doesNotMatch(list(), /8053/);
  } finally {
    execFileSync('nft', ['delete', 'table', 'inet', name]);
  }
});

test('only sysctls of the list can be set', async () => {
  const now = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
  assert.equal((await helper.call('sysctl.set', { name: 'net.ipv4.ip_forward', value: now })).ok, true);
  for (const name of [
    'kernel.core_pattern',
    'net.ipv4.conf./../x.route_localnet',
    'net.ipv4.conf..route_localnet',
  ])
    assert.equal((await helper.call('sysctl.set', { name, value: '1' })).error?.code, 'bad_request');
  const bad = await helper.call('sysctl.set', { name: 'net.ipv4.ip_forward', value: '7' });
  assert.equal(bad.error?.code, 'bad_request');
});

test('a killed helper leaves nothing that stops the next one', async () => {
  await helper.stop('SIGKILL');
  assert.equal(existsSync(helper.socketPath), true);
  await helper.start();
  assert.equal((await helper.call('hello')).ok, true);
  rmSync(helper.layer('busy'), { recursive: true });
});

test('memory of code that is not used any more is given back, and comes again when it is needed', async () => {
  const codeKb = () =>
    Number(/^Pss_File:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]);
  const before = codeKb();
  const reply = await helper.call('daemon.trim', {});
  assert.equal(reply.ok, true);
  assert.ok(Number(reply['bytes']) > 1e6, JSON.stringify(reply));
  // Another Node on this machine may hold the same pages, and then they stay: never more than before is what is promised.
  assert.ok(codeKb() <= before + 8_000);
  assert.equal((await helper.call('hello', {})).ok, true);
});
