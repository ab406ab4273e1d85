// Requests that two parsers could read differently, or that would tunnel past one: none reaches an instance.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Instance, type RouterFixture, startFixture, startRawInstance } from './router-fixture.ts';

const host = 'Host: shop.test\r\n';
const chunkedHead = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n`;
const webSocket = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';

/** Name, bytes, status. Each must be refused before a byte goes on. */
const refused: [string, string, number][] = [
  ['Content-Length and Transfer-Encoding', `${chunkedHead}Content-Length: 4\r\n\r\n0\r\n\r\n`, 400],
  [
    'Transfer-Encoding and Content-Length, other order',
    `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding with a space before the colon',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding with a tab before the colon',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding xchunked',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['Transfer-Encoding identity', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n\r\n`, 400],
  [
    'Transfer-Encoding chunked, identity',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding gzip, chunked',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding chunked, chunked',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['Transfer-Encoding twice', `${chunkedHead}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['Transfer-Encoding twice, one unknown', `${chunkedHead}Transfer-Encoding: cow\r\n\r\n0\r\n\r\n`, 400],
  [
    'Transfer-Encoding with a vertical tab',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding in quotes',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['Transfer-Encoding empty', `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n\r\n`, 400],
  [
    'Transfer-Encoding on a folded line',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Transfer-Encoding in HTTP/1.0',
    `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'Content-Length twice, different',
    `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  [
    'Content-Length twice, equal',
    `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  ['Content-Length as a list', `POST / HTTP/1.1\r\n${host}Content-Length: 5, 5\r\n\r\nhello`, 400],
  ['Content-Length with a plus', `POST / HTTP/1.1\r\n${host}Content-Length: +5\r\n\r\nhello`, 400],
  ['Content-Length negative', `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`, 400],
  ['Content-Length hexadecimal', `POST / HTTP/1.1\r\n${host}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['Content-Length with an inner space', `POST / HTTP/1.1\r\n${host}Content-Length: 1 0\r\n\r\nhello`, 400],
  ['Content-Length empty', `POST / HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`, 400],
  [
    'Content-Length beyond counting',
    `POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999\r\n\r\n`,
    400,
  ],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: shop.test\n\n', 400],
  ['a bare line feed after one header', `GET / HTTP/1.1\r\nHost: shop.test\nX: 1\r\n\r\n`, 400],
  ['a bare line feed as the end', `GET / HTTP/1.1\r\n${host}\n`, 400],
  ['a bare carriage return in a value', `GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`, 400],
  [
    'a bare carriage return as line end',
    `GET / HTTP/1.1\r\n${host}X: a\rTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  ['a carriage return twice', `GET / HTTP/1.1\r\n${host}X: a\r\r\n\r\n`, 400],
  ['NUL in a value', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`, 400],
  ['NUL in a name', `GET / HTTP/1.1\r\n${host}X\0: a\r\n\r\n`, 400],
  ['NUL in the target', `GET /\0 HTTP/1.1\r\n${host}\r\n`, 400],
  ['a control byte in a value', `GET / HTTP/1.1\r\n${host}X: a\x01b\r\n\r\n`, 400],
  ['DEL in a value', `GET / HTTP/1.1\r\n${host}X: a\x7fb\r\n\r\n`, 400],
  ['a folded header', `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`, 400],
  ['a fold as the first header line', `GET / HTTP/1.1\r\n ${host}\r\n`, 400],
  ['an empty header name', `GET / HTTP/1.1\r\n${host}: a\r\n\r\n`, 400],
  ['a header without a colon', `GET / HTTP/1.1\r\n${host}X\r\n\r\n`, 400],
  ['a space in a header name', `GET / HTTP/1.1\r\n${host}X Y: a\r\n\r\n`, 400],
  ['a parenthesis in a header name', `GET / HTTP/1.1\r\n${host}X(y): a\r\n\r\n`, 400],
  ['a high byte in a header name', `GET / HTTP/1.1\r\n${host}X\xe9: a\r\n\r\n`, 400],
  ['Host twice, different', `GET / HTTP/1.1\r\n${host}Host: admin.test\r\n\r\n`, 400],
  ['Host twice, equal', `GET / HTTP/1.1\r\n${host}${host}\r\n`, 400],
  ['Host missing', 'GET / HTTP/1.1\r\nX: 1\r\n\r\n', 400],
  ['Host missing in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 400],
  ['Host empty', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['Host with user information', 'GET / HTTP/1.1\r\nHost: admin@shop.test\r\n\r\n', 400],
  ['Host with a path', 'GET / HTTP/1.1\r\nHost: shop.test/admin\r\n\r\n', 400],
  ['Host as a list', 'GET / HTTP/1.1\r\nHost: shop.test, admin.test\r\n\r\n', 400],
  ['Host with a port that is none', 'GET / HTTP/1.1\r\nHost: shop.test:80x\r\n\r\n', 400],
  ['an absolute target of another host', `GET http://admin.test/ HTTP/1.1\r\n${host}\r\n`, 400],
  [
    'an absolute target with user information',
    `GET http://shop.test@admin.test/ HTTP/1.1\r\n${host}\r\n`,
    400,
  ],
  ['an absolute target of another scheme', `GET ftp://shop.test/ HTTP/1.1\r\n${host}\r\n`, 400],
  ['a target without a slash', `GET index HTTP/1.1\r\n${host}\r\n`, 400],
  ['an asterisk for GET', `GET * HTTP/1.1\r\n${host}\r\n`, 400],
  ['an authority target', `GET shop.test:80 HTTP/1.1\r\n${host}\r\n`, 400],
  ['a fragment in the target', `GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${host}\r\n`, 400],
  ['two spaces before the version', `GET /  HTTP/1.1\r\n${host}\r\n`, 400],
  ['a tab in the request line', `GET\t/ HTTP/1.1\r\n${host}\r\n`, 400],
  ['a space before the method', ` GET / HTTP/1.1\r\n${host}\r\n`, 400],
  ['a space after the version', `GET / HTTP/1.1 \r\n${host}\r\n`, 400],
  ['a lower case method', `get / HTTP/1.1\r\n${host}\r\n`, 400],
  ['no version', `GET /\r\n${host}\r\n`, 400],
  ['HTTP/2.0 in text', `GET / HTTP/2.0\r\n${host}\r\n`, 505],
  ['HTTP/1.2', `GET / HTTP/1.2\r\n${host}\r\n`, 505],
  ['HTTP/0.9', 'GET / HTTP/0.9\r\n\r\n', 505],
  ['a lower case version', `GET / http/1.1\r\n${host}\r\n`, 400],
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['CONNECT', 'CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n', 405],
  ['TRACE', `TRACE / HTTP/1.1\r\n${host}\r\n`, 405],
  [
    'an upgrade to h2c',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    400,
  ],
  ['an upgrade to TLS', `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n`, 400],
  [
    'an upgrade to websocket and h2c',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n${webSocket}\r\n`,
    400,
  ],
  [
    'a websocket without a key',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    400,
  ],
  [
    'a websocket of another version',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n`,
    400,
  ],
  [
    'a websocket by POST',
    `POST / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n${webSocket}\r\n`,
    400,
  ],
  [
    'a websocket with a body',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n${webSocket}\r\nabc`,
    400,
  ],
  ['Connection that names Host', `GET / HTTP/1.1\r\n${host}Connection: host\r\n\r\n`, 400],
  [
    'Connection that names Content-Length',
    `POST / HTTP/1.1\r\n${host}Connection: close, content-length\r\nContent-Length: 3\r\n\r\nabc`,
    400,
  ],
  [
    'an expectation nobody knows',
    `POST / HTTP/1.1\r\n${host}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc`,
    417,
  ],
  ['a header line of 17 KiB', `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(17 * 1024)}\r\n\r\n`, 431],
  ['101 headers', `GET / HTTP/1.1\r\n${host}${'X: 1\r\n'.repeat(100)}\r\n`, 431],
  ['a request line of 9 KiB', `GET /${'a'.repeat(9 * 1024)} HTTP/1.1\r\n${host}\r\n`, 414],
  ['a method of 100 letters', `${'A'.repeat(100)} / HTTP/1.1\r\n${host}\r\n`, 400],
];

/** Bodies whose chunks break the grammar: the head may go on, the smuggled request never. */
const brokenChunks: [string, string][] = [
  ['a bare line feed after the size', '5\nhello\r\n0\r\n\r\n'],
  ['a bare line feed after the data', '5\r\nhello\n0\r\n\r\n'],
  ['no line end after the data', '5\r\nhello0\r\n\r\n'],
  ['a size that is not hexadecimal', 'g\r\nhello\r\n0\r\n\r\n'],
  ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a space', '5 \r\nhello\r\n0\r\n\r\n'],
  ['an empty size', '\r\nhello\r\n0\r\n\r\n'],
  ['a size beyond counting', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ['a bare line feed in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['a bare carriage return in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a trailer without a colon', '0\r\nGET /smuggled HTTP/1.1\r\n\r\n'],
  ['a folded trailer', '0\r\n X: 1\r\n\r\n'],
  ['a bare line feed in a trailer', '0\r\nX: 1\n\r\n'],
  ['an extension of 9 KiB', `5;${'a'.repeat(9 * 1024)}\r\nhello\r\n0\r\n\r\n`],
];

describe('a hostile request', () => {
  let fixture: RouterFixture;
  let instance: Instance;
  before(async () => {
    fixture = await startFixture();
    instance = await startRawInstance();
    fixture.route('shop', [instance.target]);
    fixture.route('admin', [instance.target]);
  });
  after(async () => {
    await fixture.close();
    await instance.close();
  });

  it('is told from a plain one, which does arrive', async () => {
    const text = await fixture.send(`GET /plain HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(instance.seen(), /^GET \/plain HTTP\/1\.1\r\n/);
  });

  for (const [name, bytes, status] of refused)
    it(`with ${name} is refused with ${status}, the connection closes and the instance sees nothing`, async () => {
      const before = instance.seen();
      const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: admin.test\r\n\r\n';
      const text = await fixture.send(bytes + smuggled);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(text.match(/HTTP\/1\.1 \d{3} /g)?.length, 1, 'one answer, then the end');
      assert.equal(instance.seen(), before);
    });

  for (const [name, body] of brokenChunks)
    it(`whose chunked body has ${name} is refused and nothing after it is taken for a request`, async () => {
      const before = instance.seen().length;
      const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;
      const text = await fixture.send(`${chunkedHead}\r\n${body}${smuggled}`);
      assert.match(text, /^HTTP\/1\.1 400 /);
      assert.equal(text.match(/HTTP\/1\.1 \d{3} /g)?.length, 1, 'one answer, then the end');
      assert.doesNotMatch(instance.seen().slice(before), /smuggled/);
    });

  it('may not hide in a DELETE with a chunked body: the body goes on as chunks, one request is seen', async () => {
    const before = instance.seen().length;
    const hidden = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n';
    const client = await fixture.client();
    client.write(`DELETE /x HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`);
    client.write(`${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`);
    await client.until((text) => text.endsWith('ok'));
    const seen = instance.seen().slice(before);
    assert.match(seen, /^DELETE \/x HTTP\/1\.1\r\n/);
    assert.match(seen.toLowerCase(), /\r\ntransfer-encoding: chunked\r\n/);
    assert.doesNotMatch(seen.toLowerCase(), /content-length/);
    assert.ok(seen.endsWith(`\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`));
  });
});
