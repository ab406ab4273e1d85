// berth-dns by itself, on loopback addresses of its own: how it forwards, what it refuses, and that nothing a client or a server sends
// keeps it from answering the others.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nativeDir, plainOnly } from './config.ts';
import { askByTcp, askByUdp, dnsQuery, readReply } from './dns-client.ts';
import { eventually } from './engine-harness.ts';

const program = join(nativeDir, 'berth-dns');
const net = `127.${randomInt(64, 250)}.${randomInt(1, 250)}`; // all of 127/8 is there: runs side by side do not meet
const gateway = `${net}.1`;
const asker = `${net}.10`;
const otherAsker = `${net}.11`;
const upstreams = [`${net}.201`, `${net}.202`] as const;
const dir = mkdtempSync(join(tmpdir(), 'berth-dns-'));
const resolvConf = join(dir, 'resolv.conf');

let server: ChildProcess;
let log = '';

/** A name server whose answers a test decides. */
class Upstream {
  readonly socket: UdpSocket = createSocket('udp4');
  seen: { query: Buffer; from: RemoteInfo }[] = [];
  handle: (query: Buffer, from: RemoteInfo) => void = () => {};

  static async start(address: string): Promise<Upstream> {
    const upstream = new Upstream();
    upstream.socket.on('message', (query, from) => {
      upstream.seen.push({ query, from });
      upstream.handle(query, from);
    });
    upstream.socket.bind(53, address);
    await once(upstream.socket, 'listening');
    return upstream;
  }

  reply(query: Buffer, from: RemoteInfo, more: { code?: number; flags?: number } = {}): void {
    this.socket.send(responseTo(query, more), from.port, from.address);
  }

  answerAll(more: { code?: number; flags?: number } = {}): void {
    this.seen = [];
    this.handle = (query, from) => this.reply(query, from, more);
  }

  beSilent(): void {
    this.seen = [];
    this.handle = () => {};
  }
}

function responseTo(query: Buffer, { code = 0, flags = 0 }: { code?: number; flags?: number } = {}): Buffer {
  const response = Buffer.from(query);
  response.writeUInt16BE(0x8180 | flags | code, 2);
  return response;
}

let first: Upstream;
let second: Upstream;

function writeRecords(lines: string[]): void {
  const file = join(dir, 'records');
  writeFileSync(`${file}.new`, `${['berth-dns 1', ...lines].join('\n')}\n`, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}

const network = `network lo open ${gateway} ${net}.0/24`;

function writeResolvConf(servers: readonly string[]): void {
  writeFileSync(`${resolvConf}.new`, servers.map((address) => `nameserver ${address}\n`).join(''), {
    mode: 0o644,
  });
  renameSync(`${resolvConf}.new`, resolvConf);
}

before(async () => {
  chmodSync(dir, 0o755);
  writeRecords([network, `host c1 ${net}.20 web.lo,web`]);
  writeResolvConf(upstreams);
  first = await Upstream.start(upstreams[0]);
  second = await Upstream.start(upstreams[1]);
  server = spawn(program, ['--dir', dir, '--resolv', resolvConf], { stdio: ['ignore', 'ignore', 'pipe'] });
  server.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  await eventually('it answers', async () => {
    return (await ask('web', { limitMs: 100 }).catch(() => undefined)) !== undefined;
  });
});

after(async () => {
  first.socket.close();
  second.socket.close();
  const exited = once(server, 'exit');
  server.kill();
  const [, signal] = (await exited) as [number, string];
  rmSync(dir, { recursive: true });
  assert.equal(signal, 'SIGTERM', `it had ended by itself: ${log}`);
});

function ask(name: string, options: { from?: string; limitMs?: number } = {}) {
  return askByUdp(gateway, { name }, { from: asker, ...options });
}

describe('forwarding', () => {
  test('each query has an id and a port of its own at the server, and the asker gets its own id back', async () => {
    first.answerAll();
    for (let round = 0; round < 20; round++) {
      const { code, message } = await ask(`forward${round}.example`);
      assert.deepEqual([code, message.readUInt16BE(0)], [0, 0x1234]);
    }
    assert.equal(first.seen.length, 20);
    assert.ok(new Set(first.seen.map(({ query }) => query.readUInt16BE(0))).size > 15);
    assert.ok(new Set(first.seen.map(({ from }) => from.port)).size > 15);
  });

  test('a server that refuses or fails is followed by the next one at once', async () => {
    first.answerAll({ code: 2 });
    second.answerAll();
    const started = performance.now();
    assert.equal((await ask('failing.example')).code, 0);
    assert.ok(performance.now() - started < 1_000);
  });

  test('a server that is silent is followed by the next one after two seconds', async () => {
    first.beSilent();
    second.answerAll();
    assert.equal((await ask('silent.example')).code, 0);
    assert.equal(first.seen.length, 1);
  });

  test('a name that does not exist is no reason to ask the next server', async () => {
    first.answerAll({ code: 3 });
    second.answerAll();
    assert.equal((await ask('nowhere.example')).code, 3);
    assert.equal(second.seen.length, 0);
  });

  test('a forged answer is not taken: wrong id, wrong name, wrong sender', async () => {
    second.beSilent();
    first.seen = [];
    first.handle = (query, from) => {
      const wrongId = responseTo(query, { code: 5 });
      wrongId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
      const wrongName = responseTo(query, { code: 5 });
      wrongName.writeUInt8(wrongName.readUInt8(14) ^ 1, 14);
      for (const forged of [wrongId, wrongName, query, Buffer.alloc(3)])
        first.socket.send(forged, from.port, from.address);
      second.socket.send(responseTo(query, { code: 5 }), from.port, from.address);
      setTimeout(() => first.reply(query, from, { code: 3 }), 100);
    };
    assert.equal((await ask('forged.example')).code, 3, 'the true one');
  });

  test('a truncated answer reaches a UDP asker as it is, and a TCP asker whole', async (t) => {
    first.answerAll({ flags: 0x0200 });
    const whole = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', (data) => {
        const response = Buffer.concat([responseTo(data.subarray(2)), Buffer.alloc(40_000)]);
        socket.end(Buffer.concat([Buffer.from([response.length >> 8, response.length & 255]), response]));
      });
    }).listen(53, upstreams[0]);
    t.after(() => whole.close());
    await once(whole, 'listening');
    assert.equal((await ask('large.example')).isTruncated, true);
    const reply = await askByTcp(gateway, { name: 'large.example' }, asker);
    assert.deepEqual([reply.isTruncated, reply.message.length > 40_000], [false, true]);
  });

  test('with no server that answers the asker is told so, within ten seconds', async () => {
    first.beSilent();
    second.beSilent();
    assert.equal((await ask('nobody.example')).code, 2);
    assert.equal(first.seen.length + second.seen.length, 4, 'four tries');
  });

  test('other servers in resolv.conf are asked a second later', async () => {
    first.answerAll({ code: 3 });
    second.answerAll();
    writeResolvConf([upstreams[1]]);
    await eventually('the new server is asked', async () => (await ask('moved.example')).code === 0, 3_000);
    writeResolvConf(upstreams);
    await eventually('the old one again', async () => (await ask('moved.example')).code === 3, 3_000);
  });
});

describe('records', () => {
  test('a new file counts for the very next query, a broken one not at all', async () => {
    for (let round = 0; round < 50; round++) {
      writeRecords([network, `host c1 ${net}.20 web.lo,web`, `host c2 ${net}.21 fresh${round}`]);
      assert.equal((await ask(`fresh${round}`)).answers, 1);
    }
    writeRecords([network, 'nonsense']);
    assert.equal((await ask('web')).answers, 1);
    await eventually('it says so', () => Promise.resolve(log.includes('neither a network nor a host')));
    writeRecords([network, `host c1 ${net}.20 web.lo,web`]);
  });

  test('a network that comes is served on its gateway, one that goes is not', async () => {
    const other = `${net}.2`;
    writeRecords([network, `network lo open ${other} ${net}.0/24`, `host c3 ${net}.30 there`]);
    await eventually('it is served', async () => {
      const reply = await askByUdp(other, { name: 'there' }, { from: asker, limitMs: 200 }).catch(
        () => undefined,
      );
      return reply?.answers === 1;
    });
    assert.notEqual((await ask('there')).answers, 1, 'and its name is not told on the first');
    writeRecords([network, `host c1 ${net}.20 web.lo,web`]);
    await assert.rejects(async () => {
      await ask('web'); // after this answer the new file has been read
      await askByTcp(other, { name: 'there' }, asker);
    }, /ECONNREFUSED/);
  });

  test('a second server for the same folder is refused', () => {
    const { status, stderr } = spawnSync(program, ['--dir', dir]);
    assert.equal(status, 1);
    assert.match(stderr.toString(), /another berth-dns serves this folder/);
  });
});

describe('hostile neighbours', () => {
  test('who is not on the network gets no answer', async () => {
    await assert.rejects(askByUdp(gateway, { name: 'web' }, { from: '127.0.0.1', limitMs: 300 }));
    await assert.rejects(askByTcp(gateway, { name: 'web' }, '127.0.0.1'));
  });

  test('an asker with too many questions is told off, and the others are served', async (t) => {
    first.beSilent();
    const flood = createSocket('udp4');
    t.after(() => flood.close());
    flood.bind(0, asker);
    await once(flood, 'listening');
    let refused = 0;
    flood.on('message', (message) => {
      if (readReply(message).code === 2) refused++;
    });
    for (let id = 0; id < 300; id++) {
      flood.send(dnsQuery({ name: `flood${id}.example`, id }), 53, gateway);
      if (id % 30 === 29) await sleep(2); // more at once than a socket's buffer holds never reach the server
    }
    await eventually(
      'what is over the limit is refused at once',
      () => Promise.resolve(refused >= 300 - 128),
      1_500,
    );
    assert.equal((await ask('web')).answers, 1, 'names of the network are never refused');
    first.answerAll();
    assert.equal((await ask('quiet.example', { from: otherAsker })).code, 0);
  });

  test('a repeated question is asked once', async (t) => {
    first.beSilent();
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    socket.bind(0, otherAsker);
    await once(socket, 'listening');
    for (let repeat = 0; repeat < 5; repeat++) socket.send(dnsQuery({ name: 'again.example' }), 53, gateway);
    await eventually('it is asked', () => Promise.resolve(first.seen.length > 0));
    assert.equal((await ask('web', { from: otherAsker })).answers, 1);
    assert.equal(first.seen.length, 1);
  });

  test('garbage by UDP and by TCP changes nothing', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, asker);
    await once(socket, 'listening');
    for (let round = 0; round < 500; round++) {
      const good = dnsQuery({ name: 'web' });
      good[randomInt(good.length)] = randomInt(256);
      socket.send(round % 2 ? good : randomBytes(randomInt(1, 600)), 53, gateway);
    }
    socket.close();
    const answers = await Promise.allSettled([
      tcpAnswer(Buffer.from([0xff, 0xff, 1, 2])),
      tcpAnswer(Buffer.from([0, 3, 1, 2, 3])),
      tcpAnswer(Buffer.concat([Buffer.from([0, 40]), randomBytes(40)])),
    ]);
    assert.equal(answers.length, 3);
    assert.equal((await ask('web')).answers, 1);
  });

  test('idle connections of one asker leave room for its questions and for others', async (t) => {
    const idle = Array.from({ length: 60 }, () => connect({ host: gateway, port: 53, localAddress: asker }));
    t.after(() => {
      for (const socket of idle) socket.destroy();
    });
    let closed = 0;
    for (const socket of idle) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => closed++);
    }
    await eventually('most are closed', () => Promise.resolve(closed >= 44));
    assert.equal((await askByTcp(gateway, { name: 'web' }, otherAsker)).answers, 1);
    assert.equal((await ask('web')).answers, 1);
  });

  test('several questions on one connection are answered in their order', async () => {
    const frame = (name: string, id: number) => {
      const query = dnsQuery({ name, id });
      return Buffer.concat([Buffer.from([0, query.length]), query]);
    };
    first.handle = (query, from) => setTimeout(() => first.reply(query, from), 50);
    const socket = connect({ host: gateway, port: 53, localAddress: otherAsker });
    socket.write(Buffer.concat([frame('slow.example', 1), frame('web', 2), frame('web.lo', 3)]));
    let received = Buffer.alloc(0);
    const ids: number[] = [];
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        ids.push(received.readUInt16BE(2));
        received = received.subarray(received.readUInt16BE(0) + 2);
      }
      if (ids.length === 3) break;
    }
    assert.deepEqual(ids, [1, 2, 3]);
  });

  test('after all of it the server is as small as before', { skip: plainOnly }, () => {
    const rss = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
    assert.ok(Number(rss) < 3_000, `${rss} kB`);
  });
});

/** What comes back on a connection for raw bytes, until the server closes it or is silent. */
async function tcpAnswer(bytes: Buffer): Promise<Buffer> {
  const socket: Socket = connect({ host: gateway, port: 53, localAddress: asker });
  socket.setTimeout(500, () => socket.destroy());
  socket.write(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
