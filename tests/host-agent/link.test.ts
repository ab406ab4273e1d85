// The agent's line to the controller over a real socket: registration, broken streams, a newer session.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { HttpClient } from '@berth/clients/http-client.ts';
import type { DesiredUpdate } from '@berth/contract/instance.ts';
import { ControllerLink } from '@berth/host-agent/controller-link.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';
import { until } from './agent-bench.ts';

interface FakeController {
  registrations: { session: string; name: string }[];
  reports: unknown[];
  streams: ServerResponse[];
  isReplaced: boolean;
  isForgetful: boolean;
}

async function bench(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'berth-link-'));
  const socketPath = join(dir, 'controller.sock');
  const fake: FakeController = {
    registrations: [],
    reports: [],
    streams: [],
    isReplaced: false,
    isForgetful: false,
  };
  const server = fakeServer(fake);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const over = new AbortController();
  const http = new HttpClient({ socketPath, name: 'the controller' });
  const updates: DesiredUpdate[] = [];
  let replaced = 0;
  const link = new ControllerLink({
    http,
    host: { name: 'one', memoryMb: 1024, cpus: 2, agentSocket: '/x' },
    session: 's1',
    log: createLogger('test', 'silent'),
    signal: over.signal,
    onUpdate: (update) => updates.push(update),
    onReplaced: () => replaced++,
  });
  const loop = link.run();
  t.after(async () => {
    over.abort();
    await loop;
    http.close();
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true });
  });
  return { fake, link, updates, replaced: () => replaced };
}

function fakeServer(fake: FakeController): Server {
  return createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.url === '/internal/hosts/register') {
      fake.registrations.push(JSON.parse(body) as { session: string; name: string });
      response.end(JSON.stringify({ hostId: `h${fake.registrations.length}` }));
    } else if (fake.isReplaced || fake.isForgetful) {
      const code = fake.isReplaced ? 'stale_epoch' : 'not_found';
      response.writeHead(fake.isReplaced ? 409 : 404);
      response.end(JSON.stringify({ error: { code, message: 'no', retryable: false } }));
    } else if (request.url?.includes('/desired')) {
      response.writeHead(200);
      response.write(ndjsonLine({ revision: 1, full: true, pods: [] }));
      fake.streams.push(response);
    } else {
      fake.reports.push(JSON.parse(body));
      response.writeHead(204).end();
    }
  });
}

test('an agent registers once and gets a whole set after each break of the stream', async (t) => {
  const { fake, link, updates } = await bench(t);
  await until(() => updates.length === 1);
  await link.send({ full: true, instances: [] });
  assert.deepEqual(fake.reports, [{ session: 's1', full: true, instances: [] }]);
  fake.streams[0]?.destroy();
  await until(() => updates.length === 2);
  fake.streams[1]?.end();
  await until(() => updates.length === 3);
  assert.equal(fake.registrations.length, 1);
  assert.ok(updates.every((update) => update.full));
});

test('an agent whose host row is gone registers anew', async (t) => {
  const { fake, updates } = await bench(t);
  await until(() => updates.length === 1);
  fake.isForgetful = true;
  fake.streams[0]?.destroy();
  await until(() => fake.registrations.length >= 2);
  fake.isForgetful = false;
  await until(() => updates.length === 2);
});

test('an agent that a newer one has replaced is told so, by the stream and by a report', async (t) => {
  const { fake, link, updates, replaced } = await bench(t);
  await until(() => updates.length === 1);
  fake.isReplaced = true;
  await assert.rejects(link.send({ full: false, instances: [] }), { code: 'stale_epoch' });
  assert.equal(replaced(), 1);
  fake.streams[0]?.destroy();
  await until(() => replaced() >= 2);
});
