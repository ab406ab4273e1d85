// What an instance and a visitor see of an ordinary exchange: heads, bodies, streams, framing, both ways.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import {
  eventually,
  type Instance,
  pause,
  type RouterFixture,
  startFixture,
  startHttpInstance,
  startRawInstance,
} from './router-fixture.ts';

const host = 'Host: shop.test\r\n';

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The bytes after the head. */
function bodyIn(received: Buffer): Buffer {
  return received.subarray(received.indexOf('\r\n\r\n') + 4);
}

function withoutChunks(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    assert.ok(size >= 0, 'each chunk begins with its size');
    if (size === 0) return Buffer.concat(parts);
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

describe('a forwarded request', () => {
  let fixture: RouterFixture;
  let instance: Instance;
  before(async () => {
    fixture = await startFixture();
    instance = await startRawInstance();
    fixture.route('shop', [instance.target]);
  });
  after(async () => {
    await fixture.close();
    await instance.close();
  });

  async function seenAfter(bytes: string, from: RouterFixture = fixture): Promise<string> {
    const before = instance.seen().length;
    const client = await from.client();
    client.write(bytes);
    await client.until((text) => text.endsWith('ok'));
    client.destroy();
    return instance.seen().slice(before);
  }

  it('arrives with its own headers as written and the forwarding headers set', async () => {
    const seen = await seenAfter(`GET /a?b=c HTTP/1.1\r\n${host}X-Case: Kept \r\nCookie: a=b\r\n\r\n`);
    assert.match(
      seen,
      /^GET \/a\?b=c HTTP\/1\.1\r\nHost: shop\.test\r\nX-Case: Kept \r\nCookie: a=b\r\nx-forwarded-for: 127\.0\.0\.1\r\nx-forwarded-proto: http\r\nx-forwarded-port: \d+\r\nx-request-id: [0-9a-f-]{36}\r\nx-request-start: \d{13}\r\nvia: 1\.1 berth\r\n\r\n$/,
    );
  });

  it('arrives without what a stranger claims about its way', async () => {
    const spoofed =
      'X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Host: evil\r\n' +
      'X-Forwarded-Prefix: /evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Start: 1\r\nContent_Length: 5\r\n';
    const seen = await seenAfter(`GET / HTTP/1.1\r\n${host}${spoofed}\r\n`);
    assert.doesNotMatch(seen, /6\.6\.6\.6|evil|https|_|x-request-start: 1\r/i);
    assert.equal(seen.match(/x-forwarded-for:/gi)?.length, 1);
  });

  it('keeps what a trusted proxy says and adds the proxy to it', async () => {
    const trusting = await startFixture({ trustedProxies: ['127.0.0.0/8'] });
    try {
      trusting.route('shop', [instance.target]);
      const claims =
        'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n';
      const seen = await seenAfter(`GET / HTTP/1.1\r\n${host}${claims}\r\n`, trusting);
      assert.match(seen, /\r\nx-forwarded-for: 1\.2\.3\.4, 127\.0\.0\.1\r\n/);
      assert.match(seen, /\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\.example\r\n/);
      assert.doesNotMatch(seen, /proto: http\r/);
    } finally {
      await trusting.close();
    }
  });

  it('loses its hop-by-hop headers and those that Connection names', async () => {
    const hops =
      'Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\nTrailer: X\r\nProxy-Connection: x\r\nUpgrade-Insecure-Requests: 1\r\n';
    const seen = await seenAfter(`GET / HTTP/1.1\r\n${host}${hops}\r\n`);
    assert.doesNotMatch(seen, /private|\r\nconnection|keep-alive|\r\nte:|trailer|proxy-/i);
    assert.match(seen, /Upgrade-Insecure-Requests: 1/);
  });

  it('keeps a safe X-Request-Id and gets a new one for an unsafe one', async () => {
    assert.match(
      await seenAfter(`GET / HTTP/1.1\r\n${host}X-Request-Id: abc-1\r\n\r\n`),
      /x-request-id: abc-1\r\n/,
    );
    const unsafe = await seenAfter(`GET / HTTP/1.1\r\n${host}X-Request-Id: a b"\r\n\r\n`);
    assert.match(unsafe, /x-request-id: [0-9a-f-]{36}\r\n/);
    const long = await seenAfter(`GET / HTTP/1.1\r\n${host}X-Request-Id: ${'a'.repeat(201)}\r\n\r\n`);
    assert.match(long, /x-request-id: [0-9a-f-]{36}\r\n/);
  });

  it('finds its app whatever the case, port and trailing dot of the Host', async () => {
    for (const name of ['SHOP.Test', 'shop.test:8080', 'shop.test.', 'Shop.Test.:80'])
      assert.match(await seenAfter(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`), /^GET \/ /);
  });

  it('with an absolute target of its own Host arrives with the path alone', async () => {
    assert.match(await seenAfter(`GET http://shop.test/x?y HTTP/1.1\r\n${host}\r\n`), /^GET \/x\?y HTTP/);
    assert.match(await seenAfter(`GET http://shop.test?y HTTP/1.1\r\n${host}\r\n`), /^GET \/\?y HTTP/);
  });

  it('with chunk extensions and trailers arrives without them', async () => {
    const seen = await seenAfter(
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n02\r\nde\r\n0;z\r\nX-Trailer: 1\r\n\r\n`,
    );
    assert.ok(seen.endsWith('\r\n\r\n3\r\nabc\r\n02\r\nde\r\n0\r\n\r\n'), seen);
  });
});

describe('a body', () => {
  let fixture: RouterFixture;
  let instance: Instance;
  before(async () => {
    fixture = await startFixture();
    instance = await startHttpInstance(async (request, response) => {
      const body = await bodyOf(request);
      if (request.url === '/sha') response.end(sha(body));
      else if (request.url === '/length') {
        response.writeHead(200, { 'content-length': body.length });
        response.end(body);
      } else response.end(body);
    });
    fixture.route('shop', [instance.target]);
  });
  after(async () => {
    await fixture.close();
    await instance.close();
  });

  for (const size of [1, 5000, 16 * 1024, 70_000, 1024 * 1024, 9_000_001])
    it(`of ${size} bytes comes back intact with a length and in chunks`, async () => {
      const body = randomBytes(size);
      const client = await fixture.client();
      client.write(`POST /length HTTP/1.1\r\n${host}Content-Length: ${size}\r\n\r\n`);
      client.write(body);
      await eventually(
        () => bodyIn(client.received).length === size && client.text.includes('\r\n\r\n'),
        10_000,
      );
      assert.equal(sha(bodyIn(client.received)), sha(body));
      const response = await fetchFrom(fixture.router.port, '/', body);
      assert.equal(sha(response), sha(body));
      client.destroy();
    });

  it('of 32 MiB to a slow reader is intact, and the router keeps little of it', async () => {
    const size = 32 * 1024 * 1024;
    const block = randomBytes(64 * 1024);
    const pushing = await startRawInstance((_bytes, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      let sent = 0;
      const push = () => {
        while (sent < size) {
          sent += block.length;
          if (!socket.write(block)) {
            socket.once('drain', push);
            return;
          }
        }
      };
      push();
    });
    fixture.route('slow', [pushing.target]);
    const client = await fixture.client();
    const hash = createHash('sha256');
    let headLeft = true;
    let got = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (bytes: Buffer) => {
      const part = headLeft ? bodyIn(bytes) : bytes;
      headLeft = false;
      hash.update(part);
      got += part.length;
    });
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n');
    await pause(300);
    const sentSoFar = [...pushing.connections][0]?.bytesWritten ?? 0;
    assert.ok(sentSoFar < 24 * 1024 * 1024, `the instance was slowed down (sent ${sentSoFar})`);
    client.socket.resume();
    await eventually(() => got === size, 20_000);
    const expected = createHash('sha256');
    for (let i = 0; i < size / block.length; i++) expected.update(block);
    assert.equal(hash.digest('hex'), expected.digest('hex'));
    await pushing.close();
  });

  for (const [version, extension] of [
    ['1.0', ''],
    ['1.1', ';name=value'],
  ])
    it(`of 12 MiB in chunks of every size is intact at an HTTP/${version} client that reads in fits`, async () => {
      const parts: Buffer[] = [];
      const wire: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')];
      for (let size = 0; size < 12 * 1024 * 1024; size += parts.at(-1)?.length ?? 0) {
        const part = randomBytes(1 + Math.floor(Math.random() ** 3 * 200_000));
        parts.push(part);
        wire.push(Buffer.from(`${part.length.toString(16)}${extension}\r\n`), part, Buffer.from('\r\n'));
      }
      wire.push(Buffer.from('0\r\n\r\n'));
      const pushing = await startRawInstance((_bytes, socket) => socket.write(Buffer.concat(wire)));
      fixture.route('fits', [pushing.target]);
      const client = await fixture.client();
      const got: Buffer[] = [];
      client.socket.removeAllListeners('data');
      client.socket.on('data', (bytes: Buffer) => {
        got.push(bytes);
        if (got.length % 20 !== 1) return;
        client.socket.pause();
        setTimeout(() => client.socket.resume(), got.length === 1 ? 300 : 5);
      });
      client.write(`GET / HTTP/${version}\r\nHost: fits.test\r\nConnection: close\r\n\r\n`);
      await client.untilClosed(20_000);
      const body = bodyIn(Buffer.concat(got));
      assert.equal(sha(version === '1.0' ? body : withoutChunks(body)), sha(Buffer.concat(parts)));
      await pushing.close();
    });

  it('arrives intact however its bytes are cut', async () => {
    const body = randomBytes(3000);
    const hex = (size: number) => size.toString(16);
    const message = Buffer.concat([
      Buffer.from(`POST /sha HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${hex(1000)}\r\n`),
      body.subarray(0, 1000),
      Buffer.from(`\r\n${hex(2000)};x=y\r\n`),
      body.subarray(1000),
      Buffer.from('\r\n0\r\nX-T: 1\r\n\r\n'),
    ]);
    for (const step of [1, 7, 100, 1001]) {
      const client = await fixture.client();
      for (let at = 0; at < message.length; at += step) {
        client.write(message.subarray(at, at + step));
        if (step > 1 || at % 50 === 0) await pause(0);
      }
      await client.until((text) => text.includes(sha(body)));
      client.destroy();
    }
  });
});

async function fetchFrom(port: number, path: string, body: Buffer): Promise<Buffer> {
  const { request } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const outgoing = request(
    { host: '127.0.0.1', port, path, method: 'POST', headers: { host: 'shop.test' }, agent: false },
    (response) => void bodyOf(response).then(resolve, reject),
  );
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

describe('a response', () => {
  let fixture: RouterFixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.close());

  async function answering(answer: string, request: string, ends = false): Promise<string> {
    const instance = await startRawInstance((_bytes, socket) => {
      socket.write(answer, 'latin1');
      if (ends) socket.end();
    });
    try {
      fixture.route('shop', [instance.target]);
      const client = await fixture.client();
      client.write(request);
      await client.until((text) => /\r\n\r\n/.test(text));
      await pause(30);
      return client.text;
    } finally {
      await instance.close();
    }
  }

  const get = `GET / HTTP/1.1\r\n${host}\r\n`;

  it('to HEAD ends with its head, and the connection serves on', async () => {
    const text = await answering(
      'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n',
      `HEAD / HTTP/1.1\r\n${host}\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 200 OK\r\nContent-Length: 999\r\nvia: 1\.1 berth\r\n\r\n$/);
  });

  it('204 and 304 end with their heads', async () => {
    assert.match(
      await answering('HTTP/1.1 204 No Content\r\n\r\n', get),
      /^HTTP\/1\.1 204 No Content\r\nvia: 1\.1 berth\r\n\r\n$/,
    );
    assert.match(
      await answering('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', get),
      /^HTTP\/1\.1 304 Not Modified\r\nContent-Length: 5\r\nvia: 1\.1 berth\r\n\r\n$/,
    );
  });

  it('without a length ends with the connection', async () => {
    const text = await answering('HTTP/1.1 200 OK\r\n\r\nabc', get, true);
    assert.match(text, /\r\nconnection: close\r\n\r\nabc$/);
  });

  it('of an HTTP/1.0 instance arrives as HTTP/1.1', async () => {
    assert.match(
      await answering('HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc', get, true),
      /^HTTP\/1\.1 200 OK\r\n/,
    );
  });

  it('in chunks reaches an HTTP/1.0 client without chunk lines, and ends with the connection', async () => {
    const answer =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n';
    const text = await answering(answer, `GET / HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\nvia: 1\.1 berth\r\nconnection: close\r\n\r\nabcde$/);
  });

  it('with a length keeps an HTTP/1.0 connection that asks for it', async () => {
    const text = await answering(
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
      `GET / HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`,
    );
    assert.match(text, /\r\nconnection: keep-alive\r\n\r\nx$/);
  });

  it('100 and 103 pass before the final one', async () => {
    const answer =
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    const text = await answering(answer, get);
    assert.match(
      text,
      /^HTTP\/1\.1 100 Continue\r\n.*HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n.*HTTP\/1\.1 200 OK\r\n/s,
    );
  });

  it('loses its hop-by-hop headers', async () => {
    const answer =
      'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nContent-Length: 0\r\n\r\n';
    assert.match(
      await answering(answer, get),
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 0\r\nvia: 1\.1 berth\r\n\r\n$/,
    );
  });

  const bad: [string, string][] = [
    ['is not HTTP', 'hello\r\n\r\n'],
    ['is HTTP/2 in text', 'HTTP/2 200 OK\r\n\r\n'],
    ['has a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['has a status that is no number', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['has bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    [
      'has a carriage return in a value',
      'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
    ],
    ['has NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 0\r\n\r\n'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello'],
    [
      'has a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['has an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: cow\r\n\r\n'],
    ['has a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['has broken chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    [
      'switches protocols unasked',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    ['has a head of 70 KiB', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`],
  ];
  for (const [name, answer] of bad)
    it(`that ${name} becomes a 502 with H17`, async () => {
      const text = await answering(answer, get);
      assert.match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
      assert.match(fixture.log('shop').at(-1) ?? '', /^at=error code=H17 .* status=502 /);
    });

  it('with bytes after its end never lends them to the next request', async () => {
    let answers = 0;
    const instance = await startRawInstance((_bytes, socket) => {
      answers++;
      const poison = answers === 1 ? 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison' : '';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${answers}${poison}`);
    });
    fixture.route('shop', [instance.target]);
    const client = await fixture.client();
    client.write(get);
    await client.until((text) => text.endsWith('\r\n\r\n1'));
    client.write(get);
    const text = await client.until((all) => all.endsWith('\r\n\r\n2'));
    assert.doesNotMatch(text, /poison/);
    await instance.close();
  });

  it('arrives event by event, each at once', async () => {
    const instance = await startHttpInstance((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let count = 0;
      const timer = setInterval(() => {
        response.write(`data: ${performance.timeOrigin + performance.now()}\n\n`);
        if (++count === 5) {
          clearInterval(timer);
          response.end();
        }
      }, 30);
    });
    fixture.route('shop', [instance.target]);
    const client = await fixture.client();
    const delays: number[] = [];
    client.socket.on('data', (bytes: Buffer) => {
      for (const match of bytes.toString().matchAll(/data: ([\d.]+)/g))
        delays.push(performance.timeOrigin + performance.now() - Number(match[1]));
    });
    client.write(get);
    await client.until((text) => text.endsWith('0\r\n\r\n'));
    assert.equal(delays.length, 5);
    assert.ok(Math.min(...delays) < 25, `an event took ${Math.min(...delays)} ms`);
    await instance.close();
  });
});

describe('pipelined requests', () => {
  it('are served one after another, in order, each whole', async () => {
    const fixture = await startFixture();
    let open = 0;
    let most = 0;
    const instance = await startHttpInstance(async (request, response) => {
      most = Math.max(most, ++open);
      const body = await bodyOf(request);
      await pause(5);
      open--;
      response.end(`${request.url}:${body.toString()};`);
    });
    try {
      fixture.route('shop', [instance.target]);
      const client = await fixture.client();
      const requests = Array.from({ length: 10 }, (_, i) =>
        i % 2 === 0
          ? `GET /${i} HTTP/1.1\r\n${host}\r\n`
          : `POST /${i} HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nb${i}b`,
      );
      client.write(requests.join(''));
      await client.until((text) => text.includes('/9:b9b;'));
      const order = [...client.text.matchAll(/\/(\d):/g)].map((match) => Number(match[1]));
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      assert.equal(most, 1);
      assert.match(client.text, /\/3:b3b;/);
      client.write(`GET /nobody HTTP/1.1\r\nHost: nobody.test\r\n\r\nGET /after HTTP/1.1\r\n${host}\r\n`);
      await client.until((text) => text.includes('404 Not Found') && text.includes('/after:;'));
    } finally {
      await fixture.close();
      await instance.close();
    }
  });
});
