import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodePath, parseRange, respond } from './respond.mjs';
import { globPattern, readSettings } from './settings.mjs';

const folder = mkdtempSync('/tmp/berth-static-');
let settings: ReturnType<typeof readSettings>;
const server = createServer((incoming, outgoing) => void respond(settings, incoming, outgoing));
let port = 0;

before(async () => {
  mkdirSync(join(folder, 'public/docs'), { recursive: true });
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
  for (const path of ['/.env', '/link.txt', '/static.json'])
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
