// `berth run`: input, output, signals and the exit code of a one-off, with and without a terminal.
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { after, before, beforeEach, test } from 'node:test';
import { FrameReader, frame, fromServer, toServer } from '@berth/cli/run-frames.ts';
import { runFrames } from '@berth/contract/run.ts';
import { CliFixture, launcher } from './cli-fixture.ts';

let fixture: CliFixture;
before(async () => {
  fixture = await CliFixture.start();
  await fixture.login();
  fixture.api.routes.set('POST /v1/apps/hello/runs', () => ({ id: 'r1', name: 'run.1' }));
});
after(() => fixture.close());
beforeEach(() => {
  fixture.api.asked.length = 0;
});

function serve(answer: (type: number, payload: Buffer, socket: Duplex) => void): void {
  fixture.api.onUpgrade = (path, socket) => {
    assert.equal(path, '/v1/apps/hello/runs/r1/attach');
    socket.on('error', () => {});
    const reader = new FrameReader();
    socket.write(frame(fromServer.status, 'starting run.1'));
    socket.on('data', (chunk: Buffer) => {
      for (const { type, payload } of reader.read(chunk)) answer(type, payload, socket);
    });
  };
}

const exit = (exitCode: number) => frame(fromServer.exit, JSON.stringify({ exitCode }));

test('the frames are those of the contract', () => {
  assert.deepEqual({ ...toServer, ...fromServer }, { ...runFrames });
});

test('input goes in, output and errors come out apart, the exit code passes', async () => {
  let got = '';
  serve((type, payload, socket) => {
    if (type === toServer.stdin) got += payload.toString();
    if (type !== toServer.stdinEnd) return;
    socket.write(frame(fromServer.stdout, `got ${got}`));
    socket.write(frame(fromServer.stderr, 'oops\n'));
    socket.end(exit(7));
  });
  const ran = await fixture.berth(['run', '-a', 'hello', 'cat', '-n', '--number'], { input: 'some input\n' });
  assert.equal(ran.code, 7);
  assert.equal(ran.stdout, 'got some input\n');
  assert.equal(ran.stderr, 'starting run.1\noops\n');
  assert.deepEqual(fixture.api.asked[0]?.body, { command: ['cat', '-n', '--number'], tty: false });
});

test('one word that needs a shell gets one', async () => {
  serve((type, _payload, socket) => {
    if (type === toServer.stdinEnd) socket.end(exit(0));
  });
  await fixture.berth(['run', '-a', 'hello', 'echo a && echo b']);
  assert.deepEqual(fixture.api.asked[0]?.body, {
    command: ['/bin/sh', '-c', 'echo a && echo b'],
    tty: false,
  });
});

test('Ctrl-C without a terminal becomes a signal of the run', async () => {
  serve((type, payload, socket) => {
    if (type !== toServer.signal) return;
    assert.deepEqual(JSON.parse(payload.toString()), { signal: 'SIGINT' });
    socket.end(exit(130));
  });
  const child = fixture.start(launcher, ['run', '-a', 'hello', 'sleep', '100']);
  await new Promise((resolve) => child.stderr?.once('data', resolve));
  child.kill('SIGINT');
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 130);
});

test('a connection that ends without an exit code is an error', async () => {
  serve((_type, _payload, socket) => socket.end());
  const ran = await fixture.berth(['run', '-a', 'hello', 'true']);
  assert.equal(ran.code, 6);
  assert.match(ran.stderr, /ended before the run did/);
});

test('on a terminal the run gets a terminal of the same size, raw keys, and Ctrl-C as a key', async () => {
  let keys = '';
  serve((type, payload, socket) => {
    if (type !== toServer.stdin) return;
    keys += payload.toString();
    if (keys.includes('\x03')) socket.end(exit(3));
    else socket.write(frame(fromServer.stdout, 'ready\r\n'));
  });
  const line = `stty rows 33 cols 91; ${launcher} run -a hello bash; echo code $?`;
  const child = fixture.start('script', ['-qec', line, '/dev/null']);
  let shown = '';
  let sent = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (sent === 0 && shown.includes('starting')) {
      sent = 1;
      child.stdin?.write('x');
    }
    if (sent === 1 && shown.includes('ready')) {
      sent = 2;
      child.stdin?.write('\x03');
    }
  });
  await new Promise((resolve) => child.on('close', resolve));
  assert.match(shown, /code 3/);
  assert.equal(keys, 'x\x03');
  assert.deepEqual(fixture.api.asked[0]?.body, { command: ['bash'], tty: true, rows: 33, cols: 91 });
});
