// What the router's tests share: a router of their own on a free port, instances that record what they see, and clients that speak raw bytes.
// Everything started here is stopped by close(); a test that leaves one open fails by its own time limit.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import type { Route, RouteState, RouteTarget } from '@berth/contract/route.ts';
import { createLogger } from '@berth/kit/logging.ts';
import type { Limits } from '@berth/router/limits.ts';
import { type Router, startRouter } from '@berth/router/start-router.ts';

export interface RouterFixture {
  router: Router;
  /** Puts the app `name` (host `name.test`) into the table. */
  route(name: string, targets: RouteTarget[], state?: RouteState): void;
  remove(name: string): void;
  /** The last request log lines of an app. */
  log(name: string): string[];
  client(): Promise<RawClient>;
  /** Sends raw bytes on a connection of its own and gives all that comes back until it is closed or a response is whole. */
  send(bytes: string | Buffer): Promise<string>;
  close(): Promise<void>;
}

export interface FixtureOptions {
  limits?: Partial<Limits>;
  trustedProxies?: string[];
}

export async function startFixture(options: FixtureOptions = {}): Promise<RouterFixture> {
  const router = await startRouter({
    host: '127.0.0.1',
    port: 0,
    controllerSocket: '',
    adminSocket: '',
    snapshotPath: '',
    logPath: '',
    trustedProxies: options.trustedProxies ?? [],
    limits: { sweepMs: 20, stopMs: 300, lingerMs: 200, ...options.limits },
    log: createLogger('router', 'silent'),
  });
  const clients: RawClient[] = [];
  let version = 0;
  router.table.apply({ version: 0, full: true, routes: [] });
  const client = async () => {
    const made = await RawClient.connect(router.port);
    clients.push(made);
    return made;
  };
  return {
    router,
    client,
    route(name, targets, state = 'live') {
      const route: Route = { host: `${name}.test`, app: name, release: 1, state, targets };
      router.table.apply({ version: ++version, set: [route], remove: [] });
    },
    remove: (name) => router.table.apply({ version: ++version, set: [], remove: [`${name}.test`] }),
    log: (name) => router.parts.log.lines(name, 200).map((line) => line.message),
    async send(bytes) {
      const one = await client();
      one.write(bytes);
      return one.untilClosed();
    },
    async close() {
      for (const one of clients) one.destroy();
      await router.stop();
    },
  };
}

/** A connection that is written and read as bytes. */
export class RawClient {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
    socket.on('error', () => {});
    socket.on('end', () => {
      this.isClosed = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  write(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Waits until the text received satisfies the check; fails after the limit. */
  async until(check: (text: string) => boolean, limitMs = 5000): Promise<string> {
    const deadline = performance.now() + limitMs;
    while (!check(this.text)) {
      if (performance.now() > deadline)
        throw new Error(`not received in ${limitMs} ms; got ${JSON.stringify(this.text.slice(0, 500))}`);
      await pause(2);
    }
    return this.text;
  }

  async untilClosed(limitMs = 5000): Promise<string> {
    await this.until(() => this.isClosed, limitMs);
    return this.text;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Waits for a condition; fails after the limit. */
export async function eventually(check: () => boolean, limitMs = 5000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true in time');
    await pause(2);
  }
}

export interface Instance {
  target: RouteTarget;
  connections: Set<Socket>;
  /** All bytes seen. */
  seen: () => string;
  close(): Promise<void>;
}

let instances = 0;

async function listening(server: Server, connections: Set<Socket>, seen: () => string): Promise<Instance> {
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => connections.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    target: { instance: `web.${++instances}`, address: '127.0.0.1', port },
    connections,
    seen,
    async close() {
      for (const socket of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An instance made of Node's own HTTP server. */
export function startHttpInstance(listener: RequestListener): Promise<Instance> {
  const server = createServer({ keepAliveTimeout: 5000 }, listener);
  return listening(server as unknown as Server, new Set(), () => '');
}

/** An instance that records bytes and lets the test answer. */
export function startRawInstance(
  answer: (bytes: Buffer, socket: Socket, all: string) => void = answerPlainly,
): Promise<Instance> {
  let seen = '';
  const server = createTcpServer((socket) => {
    let all = '';
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      seen += text;
      all += text;
      answer(bytes, socket, all);
    });
  });
  return listening(server, new Set(), () => seen);
}

function answerPlainly(_bytes: Buffer, socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
