// Proves that heads are read strictly and that what is accepted means the same to another parser.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Frame, frameRequest } from './frame-message.ts';
import { Head, incomplete, readRequestHead, readResponseHead, refused } from './read-head.ts';
import { requestHeadText } from './rewrite-head.ts';

const limits = { headBytes: 16 * 1024, lineBytes: 8 * 1024, headerCount: 100 };
const forwarding = { address: '192.0.2.7', isTrusted: false, port: 80, requestId: 'id', receivedAt: 1 };

function parse(text: string): { result: number; head: Head } {
  const head = new Head();
  const bytes = Buffer.from(text, 'latin1');
  return { result: readRequestHead(bytes, 0, bytes.length, limits, head), head };
}

function fields(head: Head): [string, string][] {
  return Array.from({ length: head.count }, (_, field) => [head.name(field), head.value(field)]);
}

function isControl(mark: string): boolean {
  return (mark < ' ' && mark !== '\t') || mark === '\x7f';
}

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
const value = fc.stringMatching(/^(?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
const path = fc.stringMatching(/^\/[!-"$-~]{0,40}$/);
const ownNames =
  /^(host|connection|upgrade|expect|te|trailer|forwarded|accept|via|keep-alive|content.*|transfer.*|proxy.*|x-.*|sec.*|http2.*)$/i;
const plainFields = fc.array(
  fc.tuple(
    token.filter((name) => !ownNames.test(name.replaceAll('_', '-'))),
    value,
  ),
  { maxLength: 20 },
);

describe('the head parser', () => {
  it('reads a request as written', () => {
    const { result, head } = parse(
      'POST /a?b HTTP/1.1\r\nHost: x\r\nA:b\r\nC: \t d e \t\r\nEmpty:\r\n\r\nbody',
    );
    assert.deepEqual([head.method, head.target, head.minorVersion], ['POST', '/a?b', 1]);
    assert.deepEqual(fields(head), [
      ['Host', 'x'],
      ['A', 'b'],
      ['C', 'd e'],
      ['Empty', ''],
    ]);
    assert.equal(head.text.slice(-4), '\r\n\r\n');
    assert.equal(head.text.length, result);
  });

  it('needs every byte of a head: any shorter part is incomplete, and gives the same result once it is whole', () => {
    fc.assert(
      fc.property(path, plainFields, (target, list) => {
        const text = `GET ${target} HTTP/1.1\r\nHost: x\r\n${list.map(([name, one]) => `${name}: ${one}\r\n`).join('')}\r\n`;
        const head = new Head();
        const bytes = Buffer.from(text, 'latin1');
        for (let to = 0; to < bytes.length; to++)
          assert.equal(readRequestHead(bytes, 0, to, limits, head), incomplete, `at ${to}`);
        assert.equal(readRequestHead(bytes, 0, bytes.length, limits, head), bytes.length);
        assert.deepEqual(fields(head).slice(1), list);
      }),
      { numRuns: 50 },
    );
  });

  it('reads a response cut anywhere', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\n';
    const head = new Head();
    const bytes = Buffer.from(text);
    for (let to = 0; to < bytes.length; to++)
      assert.equal(readResponseHead(bytes, 0, to, limits, head), incomplete);
    assert.equal(readResponseHead(bytes, 0, bytes.length, limits, head), bytes.length);
    assert.deepEqual(fields(head), [
      ['Content-Length', '5'],
      ['Set-Cookie', 'a=b'],
    ]);
  });

  it('never reads beyond the bytes it was given', () => {
    const head = new Head();
    const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.equal(readRequestHead(bytes, 0, bytes.length - 1, limits, head), incomplete);
    assert.equal(readRequestHead(bytes, 0, 0, limits, head), incomplete);
  });

  it('takes any bytes without throwing, and what it accepts has no control byte in its head', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const bytes = Buffer.concat([
          Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nA: '),
          noise,
          Buffer.from('\r\n\r\n'),
        ]);
        const head = new Head();
        const result = readRequestHead(bytes, 0, bytes.length, limits, head);
        assert.ok(result === incomplete || result === refused || result > 0);
        if (result > 0) assert.ok(![...head.text.replaceAll('\r\n', '')].some(isControl));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a head that was accepted and rewritten', () => {
  const heard: { method: string; url: string; headers: string[] }[] = [];
  const server = createServer((request, response) => {
    heard.push({ method: request.method ?? '', url: request.url ?? '', headers: request.rawHeaders });
    response.end();
  });
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it("means the same to Node's own parser", async () => {
    await fc.assert(
      fc.asyncProperty(
        path,
        plainFields,
        fc.constantFrom('GET', 'DELETE', 'OPTIONS'),
        async (target, list, method) => {
          const text = `${method} ${target} HTTP/1.1\r\nHost: shop.test\r\n${list.map(([name, one]) => `${name}: ${one}\r\n`).join('')}\r\n`;
          const { result, head } = parse(text);
          const frame = new Frame();
          assert.ok(result > 0 && frameRequest(head, frame));
          heard.length = 0;
          const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
          socket.write(requestHeadText(head, frame, forwarding), 'latin1');
          await once(socket, 'data');
          socket.destroy();
          assert.equal(heard.length, 1);
          const [one] = heard;
          assert.equal(one?.method, method);
          assert.equal(one?.url, target);
          const heads = Array.from({ length: (one?.headers.length ?? 0) / 2 }, (_, i) =>
            one?.headers.slice(2 * i, 2 * i + 2),
          );
          assert.deepEqual(heads.slice(0, list.length + 2), [
            ['Host', 'shop.test'],
            ...list,
            ['x-forwarded-for', '192.0.2.7'],
          ]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
