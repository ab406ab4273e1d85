// What comes out of a container and what goes into it: logs, attach, exec, top, stats and wait, through the real docker CLI and raw upgrades.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bflc');
});

after(async () => {
  await engine.close();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

interface Session {
  socket: Socket;
  ended: Promise<unknown>;
  output: () => string;
}

/** An upgraded request as the CLI sends it; resolves when the engine has answered 101. */
async function upgrade(path: string, body = ''): Promise<Session> {
  const socket = connect({ path: engine.socketPath, allowHalfOpen: true });
  const ended = once(socket, 'end', { signal: AbortSignal.timeout(10_000) });
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await eventually('the engine answers', () => Promise.resolve(received.includes('\r\n\r\n')));
  assert.match(received, /^HTTP\/1.1 101 /);
  return { socket, ended, output: () => received.slice(received.indexOf('\r\n\r\n') + 4) };
}

describe('logs', () => {
  test('since, until, tail, times and details', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'talk',
      '--label',
      'team=blue',
      '-e',
      'MOOD=good day',
      '--log-opt',
      'labels=team',
      '--log-opt',
      'env=MOOD',
      'guest',
      '/guest',
      'say',
      'one',
      ',',
      'sleep',
      '30',
      ',',
      'say',
      'two',
      ',',
      'sleep',
      '30',
      ',',
      'say',
      'three',
    );
    await docker('wait', 'talk');
    const times = (await docker('logs', '-t', 'talk')).split('\n').map((line) => line.split(' ')[0] ?? '');
    assert.equal(await docker('logs', '--since', times[1] ?? '', 'talk'), 'two\nthree\n');
    assert.equal(await docker('logs', '--until', times[1] ?? '', 'talk'), 'one\ntwo\n');
    assert.equal(await docker('logs', '--since', '1h', '--tail', '2', 'talk'), 'two\nthree\n');
    assert.equal(await docker('logs', '--tail', '0', 'talk'), '');
    assert.equal(
      await docker('logs', '--tail', '1', '--details', 'talk'),
      'MOOD=good%20day,team=blue three\n',
    );
    await docker('rm', 'talk');
  });

  test('the last lines are found over rotated files, and a follow goes on over rotations', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'long',
      '--log-opt',
      'max-size=4k',
      '--log-opt',
      'max-file=4',
      'guest',
      '/guest',
      'lines',
      '60',
      '30',
      ',',
      'signal',
      ',',
      'lines',
      '60',
      '30',
      ',',
      'sleep',
      '300',
      ',',
      'lines',
      '60',
      '30',
    );
    const following = engine.docker(['logs', '-f', '--tail', '70', 'long']);
    await eventually('it waits', async () => (await docker('logs', '--tail', '1', 'long')) === 'waiting\n');
    await docker('kill', '-s', 'HUP', 'long');
    const { stdout } = await following;
    const seen = stdout.trim().split('\n');
    assert.equal(seen.filter((line) => line.startsWith('59 ')).length, 3, 'nothing is lost in a follow');
    assert.equal(seen.filter((line) => line.startsWith('0 ')).length, 3);
    const tail = (await docker('logs', '--tail', '70', 'long')).trim().split('\n');
    assert.equal(tail.length, 70);
    assert.match(tail[9] ?? '', /^59 x/);
    await docker('rm', 'long');
  });

  test('a follow with an end in the future ends then, though the container goes on', async () => {
    const id = await engine.runDetached(['/guest', 'say', 'up', ',', 'sleep', '60000']);
    const until = String(Date.now() / 1000 + 0.4);
    assert.equal(await docker('logs', '-f', '--until', until, id), 'up\n');
    await docker('rm', '-f', id);
  });

  test('without a log driver there is no log, but an attached client reads on', async () => {
    assert.equal(
      await docker('run', '--name', 'quiet', '--log-driver', 'none', 'guest', '/guest', 'say', 'x'),
      'x\n',
    );
    const { code, stderr } = await engine.docker(['logs', 'quiet']);
    assert.equal(code, 1);
    assert.match(stderr, /configured logging driver does not support reading/);
    await docker('rm', 'quiet');
  });
});

describe('attach', () => {
  test('shows what was said before when asked, and ends with the container', async () => {
    const id = await engine.runDetached(['/guest', 'say', 'early', ',', 'signal']);
    await eventually('it waits', async () => (await engine.output(id)).includes('waiting'));
    const past = await upgrade(`/v1.47/containers/${id}/attach?logs=1&stdout=1&stderr=1`);
    await past.ended;
    assert.match(past.output(), /early\n[\s\S]*waiting\n$/);
    const both = await upgrade(`/v1.47/containers/${id}/attach?logs=1&stream=1&stdout=1&stderr=1`);
    const attached = engine.docker(['attach', '--no-stdin', id]);
    await eventually(
      'the CLI is attached',
      async () =>
        (await docker('events', '--since', '10s', '--until', '0s', '--filter', 'event=attach'))
          .trim()
          .split('\n').length >= 3,
    );
    await docker('kill', '-s', 'HUP', id);
    assert.match((await attached).stdout, /got 1\n$/);
    await both.ended;
    assert.match(both.output(), /early\n[\s\S]*got 1\n$/);
    await docker('rm', id);
  });

  test('the detach keys end a session at a terminal and leave the container alone', async () => {
    const id = await engine.runDetached(['/guest', 'cat', '-'], { Tty: true, OpenStdin: true });
    const session = await upgrade(
      `/v1.47/containers/${id}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x`,
    );
    session.socket.write('hello\r');
    await eventually('the echo comes', () => Promise.resolve(session.output().includes('hello')));
    session.socket.write('\x01x');
    await session.ended;
    session.socket.destroy();
    assert.equal((await engine.client.inspectContainer(id)).State.Status, 'running');
    await docker('rm', '-f', id);
  });

  test('the end of input of docker run -i reaches the program', async () => {
    const { stdout } = await engine.docker(
      ['run', '-i', '--rm', 'guest', '/guest', 'cat', '-', ',', 'say', 'end'],
      'in\n',
    );
    assert.equal(stdout, 'in\nend\n');
  });

  test('signals of the client reach the program, unless it says otherwise', async () => {
    const options = {
      env: { PATH: process.env['PATH'], HOME: engine.dir, DOCKER_HOST: `unix://${engine.socketPath}` },
    };
    const client = spawn('docker', ['run', '--name', 'proxied', 'guest', '/guest', 'signal'], options);
    const exited = once(client, 'exit', { signal: AbortSignal.timeout(10_000) });
    await eventually(
      'it waits',
      async () => (await engine.docker(['logs', 'proxied'])).stdout === 'waiting\n',
    );
    client.kill('SIGHUP');
    await exited;
    assert.equal(await docker('logs', 'proxied'), 'waiting\ngot 1\n');
    await docker('rm', 'proxied');
  });
});

describe('exec', () => {
  test('input, environment, folder and user; its own codes for what cannot be started', async () => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000'], { Env: ['A=container'] });
    const { stdout } = await engine.docker(['exec', '-i', id, '/guest', 'cat', '-'], 'through\n');
    assert.equal(stdout, 'through\n');
    const seen = await docker(
      'exec',
      '-e',
      'A=exec',
      '-w',
      '/tmp',
      '-u',
      'app',
      id,
      '/guest',
      'env',
      'A',
      ',',
      'cwd',
      ',',
      'id',
    );
    assert.equal(seen, 'A=exec\n/tmp\nuid=1000 gid=1001 groups=1001\n');
    const codes = await Promise.all(
      [
        ['/nope'],
        ['/etc'],
        ['-u', 'nobody-here', '/guest'],
        ['-w', '/nowhere', '/guest'],
        ['/guest', 'exit', '7'],
      ].map(async (args) => {
        const flags = args[0]?.startsWith('-') ? args.splice(0, 2) : [];
        return (await engine.docker(['exec', ...flags, id, ...args])).code;
      }),
    );
    assert.deepEqual(codes, [127, 126, 126, 126, 7]);
    await docker('rm', '-f', id);
  });

  test('top shows the processes with any columns of ps, stats the counters, also of a stopped container', async () => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000']);
    assert.match(await docker('top', id), /^UID .*CMD\n.*\/guest sleep 60000\n$/);
    assert.match(await docker('top', id, '-o', 'pid,comm'), /PID +COMMAND\n\d+ +guest\n/);
    const refused = await engine.docker(['top', id, '-o', 'comm']);
    assert.match(refused.stderr, /Couldn't find PID field in ps output/);
    const stats = await docker('stats', '--no-stream', '--format', '{{.PIDs}} {{.BlockIO}} {{.NetIO}}', id);
    assert.match(stats, /^1 \S+ \/ \S+ \S+ \/ \S+\n$/);
    await docker('kill', id);
    assert.match(await docker('stats', '--no-stream', '--format', '{{.PIDs}}', id), /^(0|--)\n$/);
    await docker('rm', id);
  });
});
