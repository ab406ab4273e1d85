import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodePath, respond } from './respond.mjs';
import { cacheControl, parseRange } from './send-file.mjs';
import { globPattern, readSettings } from './settings.mjs';
import { parseHeaders, parseRedirects } from './site-rules.mjs';

const folder = mkdtempSync('/tmp/berth-static-');
let settings: ReturnType<typeof readSettings>;
const server = createServer((incoming, outgoing) => void respond(settings, incoming, outgoing));
let port = 0;

before(async () => {
  for (const name of ['docs', 'assets']) mkdirSync(join(folder, 'public', name), { recursive: true });
  const put = (path: string, text: string) => {
    writeFileSync(join(folder, path), text);
    utimesSync(join(folder, path), 1_700_000_000, 1_700_000_000);
  };
  put('public/index.html', '<h1>home</h1>');
  put('public/docs/index.html', 'docs');
  put('public/about.html', 'about');
  put('public/404.html', 'lost');
  put('public/data.bin', '0123456789');
  put('public/.env', 'hidden');
  put('outside.txt', 'outside');
  symlinkSync('../outside.txt', join(folder, 'public/link.txt'));
  put('public/big.css', 'a{color:red}\n'.repeat(200));
  put('public/assets/index-BxK3l9aQ.js', 'x');
  put('public/ready.js', 'not compressed');
  put('public/ready.js.br', 'BR');
  put(
    'public/_redirects',
    '/old/:id /new/:id 302\n/app/* /about 200\n/away https://example.org/x 301!\n/find q=:q /s/:q\n',
  );
  put('public/_headers', '/big.css\n  X-One: a\n  X-One: b\n');
  put('static.json', '{"clean_urls":true,"headers":{"/docs/**":{"x-docs":"yes"}}}');
  settings = readSettings(folder);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
}

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request({ port, path, headers, method, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
  });
  outgoing.on('error', reject).end();
  return promise;
}

test('files, folders, clean addresses, types and the page for what is not there', async () => {
  const home = await get('/?x=1');
  assert.equal(
    `${home.status} ${home.body} ${home.headers['content-type']}`,
    '200 <h1>home</h1> text/html; charset=utf-8',
  );
  assert.equal((await get('/about')).body, 'about');
  const docs = await get('/docs');
  assert.equal(`${docs.status} ${docs.headers['location']}`, '301 /docs/');
  assert.equal((await get('/docs/')).headers['x-docs'], 'yes');
  const lost = await get('/nothing');
  assert.equal(`${lost.status} ${lost.body}`, '404 lost');
  assert.equal((await get('/', {}, 'POST')).status, 405);
  const head = await get('/data.bin', {}, 'HEAD');
  assert.equal(`${head.status} ${head.headers['content-length']} ${head.body}`, '200 10 ');
});

test('nothing outside the root, hidden or behind a link that leads out', async () => {
  for (const path of [
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/docs/..%2f..%2foutside.txt',
    '/%00',
    '/%zz',
    '/..%5coutside.txt',
  ])
    assert.equal((await get(path)).status, 400, path);
  for (const path of ['/.env', '/link.txt', '/static.json', '/_headers', '/_redirects'])
    assert.equal((await get(path)).status, 404, path);
});

test('an unchanged file is not sent again; one that is older after a rollback is', async () => {
  const { headers } = await get('/data.bin');
  const etag = String(headers['etag']);
  assert.equal((await get('/data.bin', { 'if-none-match': etag })).status, 304);
  assert.equal((await get('/data.bin', { 'if-none-match': '"other"' })).status, 200);
  assert.equal(
    (await get('/data.bin', { 'if-modified-since': String(headers['last-modified']) })).status,
    304,
  );
  assert.equal(
    (await get('/data.bin', { 'if-modified-since': 'Wed, 01 Jan 2025 00:00:00 GMT' })).status,
    200,
  );
});

test('one range is answered in part', async () => {
  const part = await get('/data.bin', { range: 'bytes=2-4' });
  assert.equal(`${part.status} ${part.body} ${part.headers['content-range']}`, '206 234 bytes 2-4/10');
  assert.equal((await get('/data.bin', { range: 'bytes=-3' })).body, '789');
  assert.equal((await get('/data.bin', { range: 'bytes=20-' })).status, 416);
  assert.equal((await get('/data.bin', { range: 'bytes=0-1,3-4' })).status, 200);
});

test('paths, ranges and globs by themselves', () => {
  assert.equal(decodePath('/a//b%20c?x'), '/a/b c');
  assert.equal(decodePath('a'), undefined);
  assert.equal(parseRange('bytes=5-2', 10, undefined, '"e"'), undefined);
  assert.equal(parseRange('bytes=0-1', 10, '"other"', '"e"'), undefined);
  assert.ok(globPattern('/**').test('/a/b') && globPattern('/*.js').test('/a.js'));
  assert.ok(!globPattern('/*.js').test('/a/b.js') && !globPattern('/*.js').test('/axjs'));
});

test('_redirects and _headers are obeyed', async () => {
  const led = async (path: string) => {
    const answer = await get(path);
    return `${answer.status} ${answer.headers['location'] ?? answer.body}`;
  };
  assert.equal(await led('/old/7%20a'), '302 /new/7%20a');
  assert.equal(await led('/app/deep/link'), '200 about');
  assert.equal(await led('/away'), '301 https://example.org/x');
  assert.equal(await led('/find?q=1'), '301 /s/1');
  assert.equal(await led('/find'), '404 lost');
  assert.equal((await get('/big.css')).headers['x-one'], 'a, b');
});

test('text is sent small: as the build left it, else compressed once', async () => {
  const small = await get('/big.css', { 'accept-encoding': 'gzip, br;q=0' });
  assert.equal(small.headers['content-encoding'], 'gzip');
  assert.ok(Number(small.headers['content-length']) < 300);
  assert.match(String(small.headers['etag']), /-gzip"$/);
  assert.equal(small.headers['vary'], 'accept-encoding');
  const same = { 'accept-encoding': 'gzip', 'if-none-match': String(small.headers['etag']) };
  assert.equal((await get('/big.css', same)).status, 304);
  const ready = await get('/ready.js', { 'accept-encoding': 'br' });
  assert.equal(`${ready.headers['content-encoding']} ${ready.body}`, 'br BR');
  assert.equal((await get('/ready.js')).body, 'not compressed');
});

test('files named by their content are kept for a year, pages are asked for again', async () => {
  const control = async (path: string) => (await get(path)).headers['cache-control'];
  assert.equal(await control('/assets/index-BxK3l9aQ.js'), 'public, max-age=31536000, immutable');
  assert.equal(await control('/'), 'public, max-age=0, must-revalidate');
  assert.equal(cacheControl('/assets/background.png'), 'public, max-age=0, must-revalidate');
  assert.equal(cacheControl('/assets/my-component.js'), 'public, max-age=0, must-revalidate');
});

test('what the driver found out stands where there is no static.json', async () => {
  const site = readSettings(join(folder, 'public'), {
    BERTH_STATIC_ROOT: '.',
    BERTH_STATIC_FALLBACK: 'index.html',
  });
  const spa = createServer((incoming, outgoing) => void respond(site, incoming, outgoing));
  await new Promise<void>((resolve) => spa.listen(0, '127.0.0.1', resolve));
  try {
    const at = `http://127.0.0.1:${(spa.address() as AddressInfo).port}`;
    const page = await fetch(`${at}/any/route`);
    assert.equal(`${page.status} ${await page.text()}`, '200 <h1>home</h1>');
    assert.equal((await fetch(`${at}/assets/gone.js`)).status, 404, 'a script is no page');
    assert.equal(await (await fetch(`${at}/about`)).text(), 'about');
  } finally {
    spa.close();
    spa.closeAllConnections();
  }
});

test('lines that cannot be honoured are named', () => {
  const { rules, problems } = parseRedirects(
    '# c\n/a /b 418\n/c https://other.example.org/ 200\nx /y\n/d\n/e /f Country=de\n/ok/* /:splat',
  );
  assert.equal(rules.length, 1);
  assert.deepEqual(problems, [
    '_redirects line 2: the status 418 is not one of 200, 301, 302, 303, 307, 308, 404',
    "_redirects line 3: another site cannot be served in this one's place",
    '_redirects line 4: "x" is not a path of this site',
    '_redirects line 5: it has no target',
    '_redirects line 6: the condition "Country=de" is not known here',
  ]);
  assert.deepEqual(parseHeaders('  X: y\n/a\n  bad').problems, [
    '_headers line 1: expected "Name: value" below a path',
    '_headers line 3: expected "Name: value" below a path',
  ]);
});
