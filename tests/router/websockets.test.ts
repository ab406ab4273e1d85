// WebSockets through the router: the handshake is checked on both sides, bytes pass both ways, and idle ones cost little.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import {
  eventually,
  type Instance,
  type RawClient,
  type RouterFixture,
  startFixture,
  startRawInstance,
} from './router-fixture.ts';

const handshake =
  'GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

function echo(bytes: Buffer, socket: Socket, all: string): void {
  const headEnd = all.indexOf('\r\n\r\n') + 4;
  if (all.length - bytes.length < headEnd) {
    socket.write(accepted);
    if (all.length > headEnd) socket.write(all.slice(headEnd), 'latin1');
  } else socket.write(bytes);
}

describe('a WebSocket', () => {
  let fixture: RouterFixture;
  let instance: Instance;
  before(async () => {
    fixture = await startFixture();
    instance = await startRawInstance(echo);
    fixture.route('shop', [instance.target]);
  });
  after(async () => {
    await fixture.close();
    await instance.close();
  });

  async function open(): Promise<RawClient> {
    const client = await fixture.client();
    client.write(handshake);
    await client.until((text) => text.includes('\r\n\r\n'));
    assert.match(client.text, /^HTTP\/1\.1 101 /);
    return client;
  }

  it('opens, echoes, and ends on both sides when the client ends it', async () => {
    const client = await open();
    assert.match(instance.seen(), /\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/);
    client.received = Buffer.alloc(0);
    client.write('ping');
    await client.until((text) => text === 'ping');
    client.socket.end();
    await client.untilClosed();
    await eventually(() => instance.connections.size === 0);
    await eventually(() => / status=101 bytes=4 protocol=ws$/.test(fixture.log('shop').at(-1) ?? ''));
  });

  it('ends at the client when the instance ends it', async () => {
    const client = await open();
    for (const socket of instance.connections) socket.end();
    await client.untilClosed();
  });

  it('carries 5 MiB each way intact, with bytes sent before the answer came', async () => {
    const body = randomBytes(5 * 1024 * 1024);
    const client = await fixture.client();
    client.write(Buffer.concat([Buffer.from(handshake), body.subarray(0, 1000)]));
    client.write(body.subarray(1000));
    const start = () => client.received.indexOf('\r\n\r\n') + 4;
    await eventually(() => client.received.length - start() === body.length, 20_000);
    const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(sha(client.received.subarray(start())), sha(body));
    client.destroy();
    await eventually(() => instance.connections.size === 0);
  });

  it('ends at once when the router stops', async () => {
    const stopping = await startFixture({ limits: { stopMs: 5000 } });
    stopping.route('shop', [instance.target]);
    const client = await stopping.client();
    client.write(handshake);
    await client.until((text) => text.includes('\r\n\r\n'));
    const startedAt = performance.now();
    await stopping.close();
    assert.ok(performance.now() - startedAt < 2000);
  });

  it('is refused with H17 when the instance does not answer the key', async () => {
    const liar = await startRawInstance((_bytes, socket) => {
      socket.write(accepted.replace('s3pP', 'xxxx'));
    });
    fixture.route('liar', [liar.target]);
    const text = await fixture.send(handshake.replace('shop', 'liar'));
    assert.match(text, /^HTTP\/1\.1 502 /);
    await liar.close();
  });

  it('whose handshake the app declines is an ordinary answer, and what follows is not a request', async () => {
    const declining = await startRawInstance((_bytes, socket) => {
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    });
    fixture.route('declining', [declining.target]);
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: declining.test\r\n\r\n';
    const text = await fixture.send(handshake.replace('shop', 'declining') + smuggled);
    assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\n.*connection: close\r\n\r\nno$/s);
    assert.doesNotMatch(declining.seen(), /smuggled/);
    await declining.close();
  });

  it('costs little while idle, a thousand times', async () => {
    const clients: RawClient[] = [];
    for (let i = 0; i < 1000; i++) clients.push(await open());
    await eventually(() => instance.connections.size === 1000);
    for (const client of clients) {
      client.received = Buffer.alloc(0);
      client.write('hello');
    }
    await Promise.all(clients.map((client) => client.until((text) => text === 'hello')));
    for (const client of clients) client.destroy();
    await eventually(() => instance.connections.size === 0);
    const inFlight = () => fixture.router.table.apps().find((app) => app.name === 'shop')?.inFlight;
    await eventually(() => inFlight() === 0);
  });
});
