// What the receiver refuses, what the pusher reads then, and that nothing is left behind and nothing crashes.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ReceiverFixture, until } from './receiver-fixture.ts';

let fixture: ReceiverFixture;
before(async () => {
  fixture = await ReceiverFixture.start();
});
after(() => fixture.close());
let pid = 0;
beforeEach(() => {
  pid ||= fixture.pid;
  assert.equal(fixture.pid, pid);
  fixture.controller.pushes.length = 0;
});

const login = { authorization: `Basic ${Buffer.from('berth:good').toString('base64')}` };
const pushType = { 'content-type': 'application/x-git-receive-pack-request' };

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    { host: '127.0.0.1', port: fixture.port, method, path, headers, agent: false },
    (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
      );
      answer.on('error', reject);
    },
  );
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

/** The receiver lives and serves. */
async function assertServes(): Promise<void> {
  const answer = await ask('GET', '/hello.git/info/refs?service=git-upload-pack', login);
  assert.equal(answer.status, 200);
}

test("a push without a token, with a wrong one, to another's app and to no app each read one clear line", async () => {
  const project = await fixture.project('refused');
  const bare = await fixture.git(['push', `http://127.0.0.1:${fixture.port}/hello.git`, 'main'], project);
  assert.notEqual(bare.code, 0);
  assert.match(bare.text, /could not read Username/);
  const wrong = await fixture.git(['push', fixture.url('hello', 'wrong'), 'main'], project);
  assert.match(wrong.text, /remote: the token is not valid\nremote: run "berth login"\n/);
  const theirs = await fixture.git(['push', fixture.url('theirs'), 'main'], project);
  assert.match(theirs.text, /remote: the app "theirs" belongs to someone else\n/);
  const none = await fixture.git(['push', fixture.url('nothing'), 'main'], project);
  assert.match(none.text, /remote: there is no app "nothing"\nremote: make it: berth create nothing\n/);
  const malformed = await fixture.git(['push', fixture.url('Bad_Name'), 'main'], project);
  assert.match(malformed.text, /remote: "Bad_Name" is not a name an app can have\n/);
  assert.equal(existsSync(`${fixture.folder}/data/git/a1.git`), false);
});

test('every request needs a login, the POSTs too; nothing is made for one without', async () => {
  for (const [method, path] of [
    ['GET', '/other.git/info/refs?service=git-receive-pack'],
    ['GET', '/other.git/HEAD'],
    ['POST', '/other.git/git-receive-pack'],
    ['POST', '/other.git/git-upload-pack'],
  ] as const) {
    const answer = await ask(method, path, pushType, method === 'POST' ? Buffer.from('0000') : undefined);
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.equal(answer.headers['www-authenticate'], 'Basic realm="berth"');
  }
  assert.equal(existsSync(`${fixture.folder}/data/git/a2.git`), false);
});

test('an Authorization header that is empty or nonsense is a 401, not a crash', async () => {
  for (const authorization of ['Basic', 'Basic ', 'Basic !!!', 'Bearer', 'x', ''])
    assert.equal(
      (await ask('GET', '/hello.git/info/refs?service=git-receive-pack', { authorization })).status,
      401,
      authorization,
    );
  await assertServes();
});

test('path tricks, wrong methods and the dumb protocol are clean 4xx', async () => {
  for (const [method, path] of [
    ['GET', '/../hello.git/info/refs?service=git-upload-pack'],
    ['GET', '/hello.git/../../a2.git/info/refs?service=git-upload-pack'],
    ['GET', '/%2e%2e/hello.git/info/refs?service=git-upload-pack'],
    ['GET', '/hello%2egit/info/refs?service=git-upload-pack'],
    ['GET', '/hello.git/info/refs'],
    ['GET', '/hello.git/info/refs?service=git-evil'],
    ['GET', '/hello.git/info/refs?service=git-upload-pack&service=git-receive-pack'],
    ['GET', '/hello.git/objects/info/packs'],
    ['GET', '/hello.git/config'],
    ['PUT', '/hello.git/git-receive-pack'],
    ['GET', '/hello.git/git-receive-pack'],
    ['GET', '/'],
  ] as const) {
    const answer = await ask(method, path, login);
    assert.ok(answer.status === 400 || answer.status === 404, `${method} ${path} gave ${answer.status}`);
    assert.match(answer.headers['content-type'] ?? '', /^text\/plain/);
  }
  const type = await ask(
    'POST',
    '/hello.git/git-receive-pack',
    { ...login, 'content-type': 'text/plain' },
    Buffer.from('x'),
  );
  assert.equal(type.status, 400);
  await assertServes();
});

test('a garbage gzip body is a 400', async () => {
  const headers = { ...login, ...pushType, 'content-encoding': 'gzip' };
  const answer = await ask(
    'POST',
    '/hello.git/git-receive-pack',
    headers,
    Buffer.from('this is not gzip at all'),
  );
  assert.equal(answer.status, 400);
  assert.match(answer.body, /gzipped body is damaged/);
  const whole = gzipSync(Buffer.from('0000'.repeat(1000)));
  const cut = await ask('POST', '/hello.git/git-receive-pack', headers, whole.subarray(0, 12));
  assert.equal(cut.status, 400);
  const unknown = await ask(
    'POST',
    '/hello.git/git-receive-pack',
    { ...headers, 'content-encoding': 'br' },
    whole,
  );
  assert.equal(unknown.status, 400);
  assert.deepEqual(await fixture.leftovers(), []);
  await assertServes();
});

test('a gzip bomb is a 413, and is not unpacked', async () => {
  const before = await fixture.memoryKb('VmRSS');
  const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
  for (const service of ['git-receive-pack', 'git-upload-pack']) {
    const headers = {
      ...login,
      'content-type': `application/x-${service}-request`,
      'content-encoding': 'gzip',
    };
    const answer = await ask('POST', `/hello.git/${service}`, headers, bomb);
    assert.ok([400, 413].includes(answer.status), `${service} gave ${answer.status} ${answer.body}`);
  }
  assert.ok((await fixture.memoryKb()) - before < 60_000);
  assert.deepEqual(await fixture.leftovers(), []);
  await assertServes();
});

test('a body cut in the middle leaves nothing behind', async () => {
  const socket = connect(fixture.port, '127.0.0.1');
  socket.on('error', () => {});
  const pack = Buffer.concat([Buffer.from('0000PACK'), Buffer.alloc(5000, 1)]);
  socket.write(
    `POST /hello.git/git-receive-pack HTTP/1.1\r\nhost: x\r\nauthorization: ${login.authorization}\r\n` +
      'content-type: application/x-git-receive-pack-request\r\ncontent-length: 1000000\r\n\r\n',
  );
  socket.write(pack);
  await new Promise((done) => setTimeout(done, 200));
  socket.destroy();
  assert.deepEqual(await fixture.leftovers(), []);
  await assertServes();
});

test('a large body to an app that does not exist, and one that git does not read, do no harm', async () => {
  const body = Buffer.alloc(30 * 1024 * 1024, 'x');
  for (const app of ['nothing', 'hello'])
    await ask('POST', `/${app}.git/git-receive-pack`, { ...login, ...pushType }, body).catch(() => undefined);
  await assertServes();
  assert.deepEqual(await fixture.leftovers(), []);
});

test('the empty probe before a large push is answered and starts nothing', async () => {
  const answer = await ask(
    'POST',
    '/hello.git/git-receive-pack',
    { ...login, ...pushType },
    Buffer.from('0000'),
  );
  assert.equal(answer.status, 200);
  assert.equal(fixture.controller.pushes.length, 0);
});

test('many clients that leave at random moments leave no process and no file', async () => {
  const project = await fixture.project('many', { 'm.txt': 'x'.repeat(100_000) });
  const children = Array.from({ length: 8 }, () =>
    fixture.startGit(['push', '-f', fixture.url(), 'main'], project),
  );
  for (const [index, { child }] of children.entries())
    setTimeout(
      () => {
        try {
          process.kill(-(child.pid ?? 0), 'SIGKILL');
        } catch {
          // it was quicker
        }
      },
      20 + index * 15,
    );
  await Promise.all(children.map(({ result }) => result));
  await until(
    () => fixture.controller.pushes.every(({ landed }) => landed.length === 1),
    'every started push is reported',
  );
  assert.deepEqual(await fixture.leftovers(), []);
});
