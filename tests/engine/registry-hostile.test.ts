/**
 * The registry against clients that are wrong, broken or hostile, in raw HTTP: names that lead elsewhere, wrong digests, huge
 * manifests, uploads that break off, two at once, and a daemon that is killed in the middle of one.
 */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';
import { ask, freePort, type HttpAnswer, sha256, TestRegistry } from './registry-harness.ts';

let registry: TestRegistry;
before(async () => {
  registry = await TestRegistry.start();
});
after(() => registry.close());

const imageType = 'application/vnd.oci.image.manifest.v1+json';
const codesOf = (answer: HttpAnswer) =>
  (JSON.parse(answer.text) as { errors: { code: string }[] }).errors.map(({ code }) => code);

async function pushBlob(name: string, body: string): Promise<{ digest: string; size: number }> {
  const digest = sha256(body);
  const answer = await registry.ask('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body });
  assert.equal(answer.status, 201, answer.text);
  return { digest, size: Buffer.byteLength(body) };
}

async function beginUpload(name: string): Promise<string> {
  const answer = await registry.ask('POST', `/v2/${name}/blobs/uploads/`);
  assert.equal(answer.status, 202);
  return answer.headers.location ?? '';
}

/** Sends the beginning of a body that is announced as longer, and hangs up. */
async function sendAndHangUp(address: string, path: string, part: string, whole: number): Promise<void> {
  const [host = '', port = ''] = address.split(':');
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(Number(port), host, () => {
    const head = `PATCH ${path} HTTP/1.1\r\nHost: ${address}\r\nContent-Length: ${whole}\r\n\r\n`;
    socket.write(head + part, () => setTimeout(() => socket.destroy(), 100)); // time for the part to be read
  });
  socket.on('error', () => {}); // the other side may be gone first
  socket.on('close', () => resolve());
  await promise;
}

test('a name, tag or digest that leads elsewhere is refused and touches nothing', async () => {
  const digest = sha256('x');
  const paths = [
    `/v2/../../etc/blobs/${digest}`,
    `/v2/..%2f..%2fetc/blobs/${digest}`,
    `/v2/%2e%2e/%2e%2e/blobs/${digest}`,
    `/v2/a%00b/blobs/${digest}`,
    `/v2/a/_tags/blobs/${digest}`,
    `/v2/A/manifests/latest`,
    `/v2/a/manifests/..%2f..%2f..%2fsigning.key`,
    `/v2/a/manifests/..`,
    `/v2/a/blobs/sha256:..%2f..%2fx`,
    `/v2/a/blobs/sha256:${'a'.repeat(63)}`,
    `/v2/a/referrers/sha256:x`,
    `/v2/${'a/'.repeat(200)}b/tags/list`,
    `/v2/%zz/tags/list`,
  ];
  for (const path of paths) assert.equal((await registry.ask('GET', path)).status, 400, path);
  const upload = await registry.ask('POST', '/v2/..%2fa/blobs/uploads/');
  assert.deepEqual([upload.status, codesOf(upload)], [400, ['NAME_INVALID']]);
  const manifest = await registry.ask('PUT', '/v2/a/manifests/..%2fx', { body: '{}' });
  assert.equal(manifest.status, 400);
  assert.deepEqual(readdirSync(join(registry.dir, 'registry')), ['signing.key']);
});

test('an address that is none, and a method that is none, are said to be so', async () => {
  assert.deepEqual(codesOf(await registry.ask('GET', '/v2/a')), ['NAME_UNKNOWN']);
  assert.equal((await registry.ask('GET', '/etc/passwd')).status, 404);
  assert.equal((await registry.ask('PATCH', '/v2/a/manifests/latest')).status, 405);
  assert.equal((await registry.ask('DELETE', '/v2/a/tags/list')).status, 405);
});

test('content that is not what its digest says is refused and leaves nothing', async () => {
  const wrong = await registry.ask('POST', `/v2/wrong/blobs/uploads/?digest=${sha256('a')}`, { body: 'b' });
  assert.deepEqual([wrong.status, codesOf(wrong)], [400, ['DIGEST_INVALID']]);
  const upload = await beginUpload('wrong');
  const put = await registry.ask('PUT', `${upload}?digest=${sha256('a')}`, { body: 'b' });
  assert.deepEqual([put.status, codesOf(put)], [400, ['DIGEST_INVALID']]);
  assert.equal((await registry.ask('GET', upload)).status, 404);
  for (const query of ['', '?digest=', '?digest=md5:abc', `?digest=sha256:${'A'.repeat(64)}`]) {
    const answer = await registry.ask('PUT', `${await beginUpload('wrong')}${query}`, { body: 'b' });
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']], query);
  }
  assert.equal((await registry.ask('GET', '/v2/wrong/tags/list')).status, 404);
  assert.equal(await registry.blobs.has(sha256('b')), false);
});

test('a manifest longer than four mebibytes is refused, whether it says its length or not', async () => {
  const huge = Buffer.alloc(5 * 1024 * 1024, ' ');
  const answer = await registry.ask('PUT', '/v2/huge/manifests/v1', { body: huge });
  assert.equal(answer.status, 413);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const [host = '', port = ''] = registry.address.split(':');
  const path = '/v2/huge/manifests/v1';
  const request = httpRequest({ host, port, path, method: 'PUT', agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  request.on('error', reject);
  request.write(huge);
  request.end(huge);
  assert.equal(await promise, 413);
});

test('a manifest may be four mebibytes long', async () => {
  const config = await pushBlob('long', '{}');
  const manifest = { schemaVersion: 2, mediaType: imageType, config, layers: [], annotations: { pad: '' } };
  manifest.annotations.pad = 'x'.repeat(4 * 1024 * 1024 - JSON.stringify(manifest).length);
  const body = JSON.stringify(manifest);
  const put = await registry.ask('PUT', '/v2/long/manifests/v1', {
    body,
    headers: { 'Content-Type': imageType },
  });
  assert.equal(put.status, 201, put.text);
  assert.equal((await registry.ask('GET', '/v2/long/manifests/v1')).text, body);
});

test('a manifest must name blobs that are in its repository and as long as it says', async () => {
  const config = await pushBlob('checked', '{}');
  const foreign = await pushBlob('elsewhere', 'a secret layer of another team');
  const put = (layers: unknown[]) =>
    registry.ask('PUT', '/v2/checked/manifests/v1', {
      headers: { 'Content-Type': imageType },
      body: JSON.stringify({ schemaVersion: 2, mediaType: imageType, config, layers }),
    });
  const elsewhere = await put([foreign]);
  assert.deepEqual([elsewhere.status, codesOf(elsewhere)], [404, ['MANIFEST_BLOB_UNKNOWN']]);
  const missing = await put([{ digest: sha256('nowhere'), size: 7 }]);
  assert.deepEqual(codesOf(missing), ['MANIFEST_BLOB_UNKNOWN']);
  const longer = await put([{ ...config, size: 3 }]);
  assert.deepEqual([longer.status, codesOf(longer)], [400, ['MANIFEST_INVALID']]);
  assert.equal((await registry.ask('GET', '/v2/checked/manifests/v1')).status, 404);
  assert.equal((await registry.ask('GET', `/v2/checked/blobs/${foreign.digest}`)).status, 404);
});

test('an upload that breaks off keeps what arrived, and goes on from there', async () => {
  const whole = 'x'.repeat(300_000);
  const upload = await beginUpload('cut');
  await sendAndHangUp(registry.address, upload, whole.slice(0, 100_000), whole.length);
  let offset = 0;
  await eventually('the registry says how far it got', async () => {
    const { status, headers } = await registry.ask('GET', upload);
    assert.equal(status, 204);
    offset = Number(String(headers['range']).split('-')[1]) + 1;
    return offset === 100_000;
  });
  const early = await registry.ask('PATCH', upload, {
    body: whole.slice(0, 10),
    headers: { 'Content-Range': '0-9' },
  });
  assert.deepEqual([early.status, early.headers['range']], [416, '0-99999']);
  const rest = await registry.ask('PATCH', upload, {
    body: whole.slice(offset),
    headers: { 'Content-Range': `${offset}-${whole.length - 1}` },
  });
  assert.deepEqual([rest.status, rest.headers['range']], [202, '0-299999']);
  assert.equal((await registry.ask('PUT', `${upload}?digest=${sha256(whole)}`)).status, 201);
  assert.equal((await registry.ask('GET', `/v2/cut/blobs/${sha256(whole)}`)).text, whole);
});

test('a chunk that is shorter or longer than its range is refused', async () => {
  const upload = await beginUpload('chunks');
  for (const range of ['0-5', '0-1', '1-3', 'x', '3-1', '-']) {
    const answer = await registry.ask('PATCH', upload, { body: 'abc', headers: { 'Content-Range': range } });
    assert.equal(answer.status, 416, range);
  }
  const right = await registry.ask('PATCH', upload, { body: 'abc', headers: { 'Content-Range': '0-2' } });
  assert.equal(right.status, 202);
});

test('an upload belongs to the repository it was begun in', async () => {
  const upload = await beginUpload('mine');
  for (const path of [
    upload.replace('mine', 'yours'),
    upload.slice(0, -1),
    `${upload}0`,
    upload.slice(0, -64),
  ]) {
    assert.equal((await registry.ask('PATCH', path, { body: 'x' })).status, 404, path);
    assert.equal((await registry.ask('DELETE', path)).status, 404, path);
  }
  assert.equal((await registry.ask('DELETE', upload)).status, 204);
  assert.equal((await registry.ask('GET', upload)).status, 404);
});

test('two clients that push one blob at once both succeed, and one upload takes one writer', async () => {
  const body = 'y'.repeat(1_000_000);
  const path = `/v2/twins/blobs/uploads/?digest=${sha256(body)}`;
  const answers = await Promise.all([0, 1, 2].map(() => ask(registry.address, 'POST', path, { body })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  const upload = await beginUpload('twins');
  const both = await Promise.all([0, 1].map(() => ask(registry.address, 'PATCH', upload, { body })));
  const statuses = both.map(({ status }) => status).sort();
  // One after the other is right as well; what must not happen is both at once.
  assert.ok(statuses.join() === '202,409' || statuses.join() === '202,202', statuses.join());
  const { headers } = await registry.ask('GET', upload);
  assert.equal(headers['range'], statuses[1] === 409 ? '0-999999' : '0-1999999');
});

test('a damaged blob breaks the download before its end, and a push repairs it', async () => {
  const body = 'z'.repeat(1_000_000);
  const { digest } = await pushBlob('torn', body);
  const hex = digest.slice('sha256:'.length);
  writeFileSync(join(registry.dir, 'blobs', 'sha256', hex.slice(0, 2), hex), `a${body.slice(1)}`);
  await assert.rejects(registry.ask('GET', `/v2/torn/blobs/${digest}`), /aborted|socket hang up|terminated/);
  assert.equal((await registry.ask('HEAD', `/v2/torn/blobs/${digest}`)).status, 404);
  await pushBlob('torn', body);
  assert.equal((await registry.ask('GET', `/v2/torn/blobs/${digest}`)).text, body);
});

test('a client that stops reading in the middle disturbs nobody', async () => {
  const body = 'w'.repeat(20_000_000);
  const { digest } = await pushBlob('slow', body);
  const [host = '', port = ''] = registry.address.split(':');
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(Number(port), host, () => {
    socket.write(`GET /v2/slow/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    socket.once('data', () => socket.destroy());
  });
  socket.on('close', () => resolve());
  await promise;
  assert.equal((await registry.ask('GET', `/v2/slow/blobs/${digest}`)).text.length, body.length);
});

test('a tag and a manifest are there after their push was acknowledged and the daemon was killed; an upload goes on', async () => {
  const engine = new TestEngine('brk');
  const address = `127.0.0.1:${await freePort()}`;
  engine.settings['BERTH_ENGINE_REGISTRY'] = address;
  engine.settings['BERTH_ENGINE_REGISTRY_ANONYMOUS'] = 'all';
  try {
    await engine.startDaemon();
    const whole = 'k'.repeat(3_000_000);
    const begun = await ask(address, 'POST', '/v2/app/blobs/uploads/');
    const upload = begun.headers.location ?? '';
    await ask(address, 'PATCH', upload, { body: whole.slice(0, 1_000_000) });
    const pending = sendAndHangUp(address, upload, whole.slice(1_000_000, 1_500_000), 2_000_000);
    await engine.stopDaemon('SIGKILL');
    await pending;
    await engine.startDaemon();
    const { status, headers } = await ask(address, 'GET', upload);
    assert.equal(status, 204);
    const offset = Number(String(headers['range']).split('-')[1]) + 1;
    assert.ok(offset >= 1_000_000 && offset <= 1_500_000, `went on at ${offset}`);
    const rest = await ask(address, 'PUT', `${upload}?digest=${sha256(whole)}`, {
      body: whole.slice(offset),
    });
    assert.equal(rest.status, 201, rest.text);
    const config = { digest: sha256(whole), size: whole.length };
    const body = JSON.stringify({ schemaVersion: 2, mediaType: imageType, config, layers: [] });
    const put = await ask(address, 'PUT', '/v2/app/manifests/v1', {
      body,
      headers: { 'Content-Type': imageType },
    });
    assert.equal(put.status, 201, put.text);
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    assert.equal((await ask(address, 'GET', '/v2/app/manifests/v1')).text, body);
    assert.equal((await ask(address, 'GET', `/v2/app/blobs/${sha256(whole)}`)).text.length, whole.length);
  } finally {
    await engine.close();
  }
});

test('on a full disk a push is refused with a sentence, leaves nothing, and the registry goes on', async () => {
  const small = await TestRegistry.start({}, {}, '4m');
  try {
    const whole = Buffer.alloc(6_000_000, 'f');
    for (const begin of [true, false]) {
      const upload = (await small.ask('POST', '/v2/full/blobs/uploads/')).headers.location ?? '';
      const refused = begin
        ? await small.ask('PATCH', upload, { body: whole })
        : await small.ask('POST', `/v2/full/blobs/uploads/?digest=${sha256(whole)}`, { body: whole });
      assert.deepEqual([refused.status, codesOf(refused)], [507, ['UNKNOWN']]);
      assert.match(refused.text, /no space left/);
      await small.ask('DELETE', upload);
    }
    assert.deepEqual(readdirSync(join(small.dir, 'blobs', 'uploads')), []);
    const body = 'fits';
    const path = `/v2/full/blobs/uploads/?digest=${sha256(body)}`;
    assert.equal((await small.ask('POST', path, { body })).status, 201);
  } finally {
    small.close();
  }
});

test('garbage on the line gets a bad request and no more', async () => {
  const [host = '', port = ''] = registry.address.split(':');
  const socket = connect(Number(port), host);
  socket.end('\x16\x03\x01\x02\x00\x01\x00 this is no HTTP\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 400/);
});
