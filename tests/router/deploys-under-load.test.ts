// The promise of the platform, at the router: instances are replaced again and again under load, and no request fails.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  eventually,
  type Instance,
  pause,
  type RawClient,
  type RouterFixture,
  startFixture,
  startHttpInstance,
} from './router-fixture.ts';

const clients = 8;
const deploys = 10;

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0;
  for await (const chunk of request) bytes += (chunk as Buffer).length;
  await pause(Math.random() * 10);
  response.end(`got ${bytes};`);
}

/** Sends requests one after another until told to stop; gives the number served and what went wrong. */
async function visit(client: RawClient, isOver: () => boolean): Promise<{ served: number; wrong: string[] }> {
  const wrong: string[] = [];
  let served = 0;
  for (let i = 0; !isOver(); i++) {
    const body = 'x'.repeat(i % 3 === 0 ? 2000 : 0);
    const head = body === '' ? 'GET / HTTP/1.1\r\n' : `POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n`;
    client.received = Buffer.alloc(0);
    client.write(`${head}Host: shop.test\r\n\r\n${body}`);
    await client.until((text) => /;$|<\/html>\s*$/.test(text) || client.isClosed);
    if (client.text.startsWith('HTTP/1.1 200 ') && client.text.includes(`got ${body.length};`)) served++;
    else wrong.push(client.text.slice(0, 300));
    if (client.isClosed) break;
  }
  return { served, wrong };
}

describe('deploys under load', () => {
  let fixture: RouterFixture;
  let current: Instance;
  let isOver = false;
  let visits: Promise<{ served: number; wrong: string[] }>[] = [];
  beforeEach(async () => {
    fixture = await startFixture();
    current = await startHttpInstance((request, response) => void respond(request, response));
    fixture.route('shop', [current.target]);
    isOver = false;
    visits = [];
    for (let i = 0; i < clients; i++) visits.push(visit(await fixture.client(), () => isOver));
  });
  afterEach(async () => {
    isOver = true;
    await Promise.allSettled(visits);
    await fixture.close();
    await current.close();
  });

  it('fail no request: the old instance ends when its last request has ended', async () => {
    for (let i = 0; i < deploys; i++) {
      await pause(50);
      const old = current;
      current = await startHttpInstance((request, response) => void respond(request, response));
      fixture.route('shop', [current.target]);
      await eventually(() => fixture.router.table.draining().length === 0);
      await old.close();
    }
    isOver = true;
    const results = await Promise.all(visits);
    assert.deepEqual(
      results.flatMap((result) => result.wrong),
      [],
    );
    const served = results.reduce((sum, result) => sum + result.served, 0);
    assert.ok(served > deploys * clients, `${served} requests were served`);
  });

  it('cost a wait, not an error, when the app has no instance for a moment', async () => {
    for (let i = 0; i < 5; i++) {
      await pause(50);
      fixture.route('shop', [], 'starting');
      await eventually(() => fixture.router.table.draining().length === 0);
      await current.close();
      await pause(50);
      current = await startHttpInstance((request, response) => void respond(request, response));
      fixture.route('shop', [current.target]);
    }
    isOver = true;
    const results = await Promise.all(visits);
    assert.deepEqual(
      results.flatMap((result) => result.wrong),
      [],
    );
  });
});
