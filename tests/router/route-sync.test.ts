// The router and its controller: the table comes by stream, is acknowledged, lies on disk, and serves while the controller is away.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Route, RouteAck, RouteTarget, RouteUpdate } from '@berth/contract/route.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { type Router, startRouter } from '@berth/router/start-router.ts';
import { eventually, type Instance, pause, RawClient, startRawInstance } from './router-fixture.ts';

/** A controller that serves the two internal endpoints and nothing else. */
class FakeController {
  acks: RouteAck[] = [];
  streams: ServerResponse[] = [];
  asked: string[] = [];
  failsAcks = 0;
  isSilent = false;
  full: RouteUpdate = { version: 1, full: true, routes: [] };
  #server: Server | undefined;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async start(): Promise<void> {
    const server = createServer((incoming, response) => void this.#answer(incoming, response));
    this.#server = server;
    server.listen(this.#path);
    await once(server, 'listening');
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    server.close();
    server.closeAllConnections();
    this.streams = [];
    await once(server, 'close');
  }

  say(update: RouteUpdate): void {
    for (const stream of this.streams) stream.write(`${JSON.stringify(update)}\n`);
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked.push(`${incoming.method} ${incoming.url}`);
    if (incoming.url?.startsWith('/internal/routes/stream')) {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(this.full)}\n\n`);
      const keepAlive = setInterval(() => this.isSilent || response.write('\n'), 50);
      response.on('close', () => clearInterval(keepAlive));
      this.streams.push(response);
      return;
    }
    let body = '';
    for await (const chunk of incoming) body += chunk;
    if (this.failsAcks > 0) {
      this.failsAcks--;
      response.writeHead(503).end('{}');
      return;
    }
    this.acks.push(JSON.parse(body) as RouteAck);
    response.end('{}');
  }
}

function route(app: string, targets: RouteTarget[], host = `${app}.test`): Route {
  return { host, app, release: 1, state: targets.length > 0 ? 'live' : 'starting', targets };
}

describe('a router with a controller', () => {
  let folder: string;
  let controller: FakeController;
  let router: Router;
  let instance: Instance;
  const clients: RawClient[] = [];

  before(async () => {
    instance = await startRawInstance((_bytes, socket, all) => {
      if (!all.includes('/slow')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  after(() => instance.close());

  const start = () =>
    startRouter({
      host: '127.0.0.1',
      port: 0,
      controllerSocket: join(folder, 'controller.sock'),
      adminSocket: join(folder, 'router.sock'),
      snapshotPath: join(folder, 'routes.json'),
      logPath: join(folder, 'requests.log'),
      trustedProxies: [],
      limits: { sweepMs: 20, stopMs: 300, controllerSilenceMs: 400 },
      log: createLogger('router', 'silent'),
    });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-router-test-'));
    controller = new FakeController(join(folder, 'controller.sock'));
    controller.full = { version: 7, full: true, routes: [route('shop', [instance.target])] };
    await controller.start();
    router = await start();
    await eventually(() => controller.acks.length > 0);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await router.stop();
    await controller.stop();
    await rm(folder, { recursive: true });
  });

  async function get(host: string, path = '/'): Promise<string> {
    const client = await RawClient.connect(router.port);
    clients.push(client);
    client.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return client.untilClosed();
  }

  async function admin(path: string): Promise<string> {
    const outgoing = request({ socketPath: join(folder, 'router.sock'), path, agent: false }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of response) body += chunk;
    return body;
  }

  it('serves the table it was sent and acknowledges its version', async () => {
    assert.match(await get('shop.test'), /ok$/);
    assert.match(controller.asked[0] ?? '', /^GET \/internal\/routes\/stream\?router=router-\w+&version=0$/);
    assert.equal(controller.acks[0]?.version, 7);
    assert.deepEqual(controller.acks[0]?.draining, []);
  });

  it('follows changes, wildcards too, and forgets what a full table leaves out', async () => {
    controller.say({
      version: 8,
      set: [route('blog', [instance.target], '*.blog.test')],
      remove: ['shop.test'],
    });
    await eventually(() => controller.acks.at(-1)?.version === 8);
    assert.match(await get('a.b.blog.test'), /ok$/);
    assert.match(await get('blog.test'), /404/);
    assert.match(await get('shop.test'), /404/);
    controller.say({ version: 9, full: true, routes: [route('shop', [instance.target])] });
    await eventually(() => controller.acks.at(-1)?.version === 9);
    assert.match(await get('a.blog.test'), /404/);
    assert.match(await get('shop.test'), /ok$/);
  });

  it('sends no new request to an instance that left, and reports the end of its last one', async () => {
    const other = await startRawInstance();
    const slow = await RawClient.connect(router.port);
    clients.push(slow);
    slow.write('GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n');
    await eventually(() => instance.seen().includes('/slow'));
    controller.say({ version: 8, set: [route('shop', [other.target])], remove: [] });
    await eventually(() => controller.acks.at(-1)?.version === 8);
    assert.deepEqual(controller.acks.at(-1)?.draining, [{ instance: instance.target.instance, inFlight: 1 }]);
    const before = instance.seen().length;
    for (let i = 0; i < 10; i++) assert.match(await get('shop.test'), /ok$/);
    assert.equal(instance.seen().length, before);
    const sent = controller.acks.length;
    for (const socket of instance.connections)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
    await slow.until((text) => text.endsWith('late'));
    await eventually(() => controller.acks.length > sent);
    assert.deepEqual(controller.acks.at(-1), {
      router: controller.acks[0]?.router,
      version: 8,
      draining: [],
    });
    await eventually(() => instance.connections.size === 0); // its pooled connections are closed
    await other.close();
  });

  it('repeats an acknowledgement that failed', async () => {
    controller.failsAcks = 2;
    controller.say({ version: 8, set: [], remove: [] });
    await eventually(() => controller.acks.at(-1)?.version === 8);
  });

  it('goes on serving while the controller is away and comes back to it by itself', async () => {
    await controller.stop();
    assert.match(await get('shop.test'), /ok$/);
    controller.full = { version: 20, full: true, routes: [route('new', [instance.target])] };
    await controller.start();
    await eventually(() => controller.acks.at(-1)?.version === 20);
    assert.match(await get('new.test'), /ok$/);
    assert.match(controller.asked.at(-2) ?? '', /version=7$/);
  });

  it('asks again when the controller falls silent, and not while it sends keep-alive lines', async () => {
    await pause(600);
    const streams = () => controller.asked.filter((one) => one.includes('stream')).length;
    assert.equal(streams(), 1);
    controller.isSilent = true;
    await eventually(() => streams() > 1);
    assert.match(await get('shop.test'), /ok$/);
  });

  it('stays with its table when the controller sends nonsense', async () => {
    for (const stream of controller.streams) stream.write('{"version":8,"set":[{"host":5}],"remove":[]}\n');
    await pause(50);
    assert.match(await get('shop.test'), /ok$/);
    assert.equal(router.table.version, 7);
  });

  it('serves from the disk when it starts without a controller', async () => {
    await router.stop();
    await controller.stop();
    assert.equal((await stat(join(folder, 'routes.json'))).mode & 0o777, 0o600);
    router = await start();
    assert.match(await get('shop.test'), /ok$/);
  });

  it('starts without a table when the one on disk is broken, and says so to visitors', async () => {
    await router.stop();
    await controller.stop();
    await writeFile(join(folder, 'routes.json'), '{"version":1,"routes":[{');
    router = await start();
    assert.match(await get('shop.test'), /^HTTP\/1\.1 503 .*x-berth-code: H99/s);
  });

  it("tells its health, figures, table and an app's log on a socket of its own", async () => {
    await get('shop.test', '/a?b="c"');
    assert.equal((await stat(join(folder, 'router.sock'))).mode & 0o777, 0o600);
    const health = JSON.parse(await admin('/health')) as Record<string, unknown>;
    assert.equal(health['controller'], 'connected');
    assert.equal(health['version'], 7);
    const stats = JSON.parse(await admin('/stats')) as { apps: { name: string; requests: number }[] };
    assert.equal(stats.apps.find((app) => app.name === 'shop')?.requests, 1);
    const table = JSON.parse(await admin('/table')) as { routes: Route[] };
    assert.deepEqual(table.routes, [route('shop', [instance.target])]);
    const lines = (await admin('/logs?app=shop&lines=5')).trim().split('\n');
    assert.equal(lines.length, 1);
    const line = JSON.parse(lines[0] ?? '') as { app: string; message: string; time: string };
    assert.match(
      line.message,
      /^at=info method=GET path="\/a\?b=%22c%22" host=shop\.test request_id=[0-9a-f-]{36} fwd="127\.0\.0\.1" instance=web\.\d+ connect=\d+ms service=\d+ms status=200 bytes=2 protocol=http$/,
    );
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(await admin('/logs'), /bad_request/);
    assert.match(await admin('/nothing'), /not_found/);
  });

  it("follows an app's log line by line", async () => {
    const outgoing = request({
      socketPath: join(folder, 'router.sock'),
      path: '/logs?app=shop&lines=0&follow=1',
      agent: false,
    }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let body = '';
    response.on('data', (chunk) => {
      body += chunk;
    });
    response.on('error', () => {});
    await get('shop.test', '/followed');
    await eventually(() => body.includes('/followed'));
    response.destroy();
  });

  it('keeps the request log in a file', async () => {
    await get('shop.test', '/filed');
    await get('nobody.test', '/unknown');
    await router.stop();
    const text = await readFile(join(folder, 'requests.log'), 'utf8');
    assert.match(text, /^\S+Z app=shop at=info method=GET path="\/filed"/m);
    assert.match(text, /^\S+Z at=warning code=no-such-app .* path="\/unknown" /m);
  });

  it('finishes requests in flight when it stops, and takes no new one', async () => {
    const slow = await RawClient.connect(router.port);
    clients.push(slow);
    const before = instance.seen().split('/slow').length;
    slow.write('GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n');
    await eventually(() => instance.seen().split('/slow').length > before);
    const stopped = router.stop();
    await pause(30);
    await assert.rejects(RawClient.connect(router.port));
    for (const socket of instance.connections)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
    const text = await slow.untilClosed();
    assert.match(text, /\r\nconnection: close\r\n\r\nlate$/);
    await stopped;
  });
});
