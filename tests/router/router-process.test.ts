// The router as a process: its start, its stop, its death, and what it says when it cannot start.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RouteUpdate } from '@berth/contract/route.ts';
import {
  closedPort,
  eventually,
  type Instance,
  pause,
  RawClient,
  startRawInstance,
} from './router-fixture.ts';

const main = fileURLToPath(new URL('../../router/main.ts', import.meta.url));

describe('the router process', () => {
  let folder: string;
  let instance: Instance;
  let port: number;
  const controller = createServer((request, response) => {
    if (!request.url?.includes('stream')) {
      response.end('{}');
      return;
    }
    const targets = [instance.target];
    const routes = [{ host: 'shop.test', app: 'shop', release: 1, state: 'live' as const, targets }];
    const update: RouteUpdate = { version: 1, full: true, routes };
    response.write(`${JSON.stringify(update)}\n`);
  });
  const started: ChildProcess[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-router-process-'));
    instance = await startRawInstance();
    port = await closedPort();
    controller.listen(join(folder, 'controller.sock'));
    await once(controller, 'listening');
  });
  after(async () => {
    for (const child of started) child.kill('SIGKILL');
    controller.close();
    controller.closeAllConnections();
    await instance.close();
    await rm(folder, { recursive: true });
  });

  function start(env: Record<string, string>, fd?: number): ChildProcess & { errors: () => string } {
    const child = spawn(process.execPath, [main], {
      env: {
        BERTH_CONTROLLER_SOCKET: join(folder, 'controller.sock'),
        BERTH_ROUTER_SNAPSHOT: join(folder, 'data', 'table.json'),
        BERTH_ROUTER_LOG: join(folder, 'data', 'requests.log'),
        BERTH_ROUTER_SOCKET: join(folder, 'run', 'router.sock'),
        BERTH_HTTP_PORT: String(port),
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe', ...(fd === undefined ? [] : [fd])],
    });
    started.push(child);
    let errors = '';
    child.stderr?.on('data', (chunk) => {
      errors += chunk;
    });
    return Object.assign(child, { errors: () => errors });
  }

  async function get(): Promise<string> {
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n');
    return client.untilClosed();
  }

  it('serves, writes its log out when it is told to stop, and ends with 0', async () => {
    const child = start({});
    await eventually(() => child.errors().includes('route table in force'));
    assert.match(await get(), /ok$/);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    assert.match(await readFile(join(folder, 'data', 'requests.log'), 'utf8'), /app=shop at=info method=GET/);
  });

  it('loses no connection attempt when it is killed while its parent holds the socket', async () => {
    const create = (
      net as unknown as {
        _createServerHandle: (host: string, port: number, type: number) => { fd: number; close(): void };
      }
    )._createServerHandle;
    const handle = create('127.0.0.1', port, 4);
    const env = { BERTH_HTTP_FD: '3' };
    const first = start(env, handle.fd);
    await eventually(() => first.errors().includes('route table in force'));
    assert.match(await get(), /ok$/);
    const exited = once(first, 'exit');
    first.kill('SIGKILL');
    await exited;
    const waiting = get();
    await pause(50);
    const second = start(env, handle.fd);
    assert.match(await waiting, /ok$/);
    const ended = once(second, 'exit');
    second.kill('SIGTERM');
    await ended;
    handle.close();
  });

  it('says in one line that its port is taken', async () => {
    const taken = net.createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    const child = start({});
    const [code] = (await once(child, 'exit')) as [number | null];
    taken.close();
    assert.equal(code, 1);
    assert.equal(
      child.errors(),
      `router: port ${port} on "127.0.0.1" is taken (stop the other program or set BERTH_HTTP_PORT)\n`,
    );
  });

  it('names every setting that is wrong', async () => {
    const child = start({ BERTH_HTTP_PORT: 'x', BERTH_CONTROLLER_SOCKET: '' });
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 1);
    assert.match(
      child.errors(),
      /BERTH_HTTP_PORT must be a whole number.*BERTH_CONTROLLER_SOCKET is not set/,
    );
    const untrusted = start({ BERTH_TRUSTED_PROXIES: '10.0.0.0/99' });
    assert.equal((await once(untrusted, 'exit'))[0], 1);
    assert.match(untrusted.errors(), /"10\.0\.0\.0\/99" is not a network/);
  });
});
