import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCommand } from '@berth/kit/run-command.ts';

/** What a build leaves: a handler and files. */
const handler = `export default { async fetch(request) {
  const url = new URL(request.url);
  if (url.pathname === '/broken') throw new Error('broken');
  return new Response(request.method + ' ' + url.href + ' ' + (await request.text()), {
    status: url.pathname === '/made' ? 201 : 200,
    headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']],
  });
} };`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a fetch handler answers over HTTP, files of the build before it, nothing outside them', async () => {
  const folder = mkdtempSync('/tmp/berth-serve-fetch-');
  for (const name of ['server', 'client/assets']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'server/server.js'), handler);
  writeFileSync(join(folder, 'client/assets/a-1.js'), 'let a');
  writeFileSync(join(folder, 'client/.env'), 'no');
  copyFileSync(new URL('serve-fetch.mjs', import.meta.url), join(folder, 'start.mjs'));
  const port = await freePort();
  const app = startCommand([process.execPath, join(folder, 'start.mjs')], {
    env: { PORT: String(port), HOST: '127.0.0.1' },
  });
  try {
    const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}${path}`, init);
    for (let tries = 0; !(await ask('/').catch(() => undefined)); tries++) {
      if (tries > 200) throw new Error('the server does not start');
      await sleep(50);
    }
    const file = await ask('/assets/a-1.js');
    assert.deepEqual(
      [file.status, await file.text(), file.headers.get('content-type'), file.headers.get('cache-control')],
      [200, 'let a', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    );
    const made = await ask('/made?x=1', {
      method: 'POST',
      body: 'hi',
      headers: { 'x-forwarded-proto': 'https' },
    });
    assert.equal(made.status, 201);
    assert.equal(await made.text(), `POST https://127.0.0.1:${port}/made?x=1 hi`);
    assert.deepEqual(made.headers.getSetCookie(), ['a=1', 'b=2']);
    for (const path of ['/.env', '/assets/%2e%2e/%2e%2e/server/server.js', '/assets'])
      assert.match(await (await ask(path)).text(), /^GET http/, path);
    assert.equal((await ask('/broken')).status, 500);
    assert.equal((await ask('/')).status, 200);
  } finally {
    app.kill('SIGTERM');
    if (app.exitCode === null && app.signalCode === null) await once(app, 'exit');
    rmSync(folder, { recursive: true, force: true });
  }
});
