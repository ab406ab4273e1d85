// The API over TCP: the docker CLI with a certificate does what it does on the unix socket; nobody else gets as far as HTTP.
// And berth-engine as a program of its own: its commands, and what it refuses.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { makeCertificates } from '@berth/engine-daemon/certificates/make-certificates.ts';
import { type CliResult, eventually, TestEngine } from './engine-harness.ts';
import { rawExchange } from './raw-exchange.ts';

const program = resolve(import.meta.dirname, '../../engine-native/daemon/bin/berth-engine');
const run = promisify(execFile);

let engine: TestEngine;
let port: number;
let certificates: string;
/** Connections that say nothing, and how long each was let in; begun early, because patience takes its time. */
let silence: Promise<number[]>;

before(async () => {
  engine = new TestEngine('bdrm');
  certificates = join(engine.dir, 'certs');
  const { ca, cert, key } = makeCertificates(certificates, ['localhost', '127.0.0.1']);
  port = await freePort();
  Object.assign(engine.settings, {
    BERTH_ENGINE_TCP: `127.0.0.1:${port}`,
    BERTH_ENGINE_TLS_CA: ca,
    BERTH_ENGINE_TLS_CERT: cert,
    BERTH_ENGINE_TLS_KEY: key,
  });
  await engine.startDaemon();
  await engine.makeImage();
  silence = Promise.all([untilClosed(connect(port, '127.0.0.1')), untilClosed(halfARequest())]);
});

async function untilClosed(socket: Socket): Promise<number> {
  const started = performance.now();
  socket.on('error', () => socket.destroy());
  socket.resume();
  await once(socket, 'close', { signal: AbortSignal.timeout(40_000) });
  return performance.now() - started;
}

function halfARequest(): Socket {
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ...clientFiles() });
  socket.write('GET /info HTTP/1.1\r\nHost: ');
  return socket;
}

after(async () => {
  await engine.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return free;
}

function remoteEnvironment(certPath = join(certificates, 'client')): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: engine.dir,
    DOCKER_HOST: `tcp://127.0.0.1:${port}`,
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: certPath,
  };
}

/** The docker CLI as a remote client. */
async function docker(args: string[], input = '', env = remoteEnvironment()): Promise<CliResult> {
  const work = run('docker', args, { env, timeout: 30_000 });
  work.child.stdin?.end(input);
  try {
    return { code: 0, ...(await work) };
  } catch (error) {
    const failed = error as { code?: number; stdout?: string; stderr?: string };
    return { code: failed.code ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

/** The same in a terminal of its own; `script` gives it one. */
function dockerInTerminal(command: string): ReturnType<typeof spawn> {
  return spawn('script', ['-qfec', `docker ${command}`, '/dev/null'], { env: remoteEnvironment() });
}

function clientFiles(dir = join(certificates, 'client')): ConnectionOptions {
  const read = (name: string) => readFileSync(join(dir, name));
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

/** What a TLS client gets back for some bytes. */
async function exchange(options: ConnectionOptions, bytes: string, isLast = false): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  return rawExchange(socket, bytes, isLast);
}

describe('a remote client with a certificate', () => {
  test('run carries input, output and the exit code, with half-closed input', async () => {
    const text = 'x'.repeat(300_000);
    const cat = await docker(['run', '-i', '--rm', 'guest', '/guest', 'cat', '-'], text);
    assert.deepEqual([cat.code, cat.stdout.length, cat.stderr], [0, text.length, '']);
    const exit = ['/guest', 'say', 'out', ',', 'complain', 'err', ',', 'exit', '7'];
    assert.deepEqual(await docker(['run', '--rm', 'guest', ...exit]), {
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('run -it has a terminal', async () => {
    const terminal = dockerInTerminal('run -it --rm guest /guest tty , cat -');
    let output = '';
    terminal.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const exited = once(terminal, 'exit');
    await eventually('the program sees its terminal', () => Promise.resolve(output.includes('leader 1')));
    terminal.stdin?.write('typed\n');
    await eventually('what was typed comes back twice', () =>
      Promise.resolve(output.split('typed').length === 3),
    );
    terminal.stdin?.write('\u0004');
    const [code] = (await exited) as [number];
    assert.equal(code, 0, output);
  });

  test('exec and logs -f stream', async () => {
    const { stdout } = await docker(['run', '-d', 'guest', '/guest', 'sleep', '300', ',', 'say', 'late']);
    const id = stdout.trim();
    const exec = await docker(['exec', '-i', id, '/guest', 'cat', '-'], 'through exec');
    assert.deepEqual([exec.code, exec.stdout], [0, 'through exec']);
    assert.deepEqual(await docker(['logs', '-f', id]), { code: 0, stdout: 'late\n', stderr: '' });
    await docker(['rm', '-f', id]);
  });

  test('HEAD /_ping and every route answer as on the unix socket', async () => {
    const reply = await exchange(
      clientFiles(),
      'HEAD /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    assert.match(reply, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Api-Version: 1\.\d+\r\n/);
    const { stdout } = await docker(['version', '-f', '{{.Server.Version}}']);
    assert.equal(stdout, (await engine.docker(['version', '-f', '{{.Server.Version}}'])).stdout);
  });
});

describe('nobody else', () => {
  test('a client without a certificate is cut off before HTTP', async () => {
    const reply = exchange({ ca: clientFiles().ca as Buffer }, 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    await assert.rejects(reply, /closed without|ECONNRESET|certificate required|socket hang up|EPIPE/);
  });

  test("a certificate of another CA, or a server's own, does not open the door", async (t) => {
    const other = mkdtempSync(join(engine.dir, 'other-'));
    t.after(() => rmSync(other, { recursive: true }));
    const { clientDir } = makeCertificates(other, ['localhost']);
    const request = 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n';
    await assert.rejects(exchange({ ...clientFiles(clientDir), ca: clientFiles().ca as Buffer }, request));
    const asServer = {
      ca: clientFiles().ca as Buffer,
      cert: readFileSync(join(certificates, 'server-cert.pem')),
      key: readFileSync(join(certificates, 'server-key.pem')),
    };
    await assert.rejects(exchange(asServer, request));
  });

  test('an old protocol is refused', async () => {
    const options: ConnectionOptions = {
      ...clientFiles(),
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    };
    await assert.rejects(exchange(options, 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'));
  });

  test('plain HTTP gets a sentence, the CLI without TLS as well', async () => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: engine.dir, DOCKER_HOST: `tcp://127.0.0.1:${port}` };
    const { code, stderr } = await docker(['ps'], '', env);
    assert.equal(code, 1);
    assert.match(stderr, /Client sent an HTTP request to an HTTPS server/);
  });

  test('the unix socket is for its owner only', () => {
    assert.equal(statSync(engine.socketPath).mode & 0o777, 0o600);
  });
});

describe('requests that lie about their body (CVE-2024-41110, CVE-2026-34040)', () => {
  const head =
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n';
  const create = (headers: string, body: string, isLast = false) =>
    exchange(clientFiles(), `${head}${headers}\r\n${body}`, isLast);
  const good = JSON.stringify({ Image: 'guest' });

  const ids = async () => (await engine.docker(['ps', '-aq', '--no-trunc'])).stdout;

  test('a body that is cut off, two lengths, or a length beside chunks create nothing', async () => {
    const before = await ids();
    const answers = await Promise.allSettled([
      create(`Content-Length: ${good.length + 10}\r\n`, good, true),
      create(`Content-Length: ${good.length}\r\nContent-Length: 0\r\n`, good),
      create(
        `Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`,
        `${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`,
      ),
    ]);
    for (const answer of answers)
      if (answer.status === 'fulfilled') assert.match(answer.value, /^HTTP\/1\.1 400 /);
    assert.equal(await ids(), before);
  });

  test('a length of nothing is a request of nothing: what follows it is not its body', async () => {
    const before = await ids();
    assert.match(await create('Content-Length: 0\r\n', good), /^HTTP\/1\.1 400 /);
    assert.equal(await ids(), before);
  });

  test('a body longer than any request is refused, announced or not', async () => {
    const before = await ids();
    const long = JSON.stringify({ Image: 'guest', Env: ['A'.repeat(5 * 1024 * 1024)] });
    assert.match(await create(`Content-Length: ${long.length}\r\n`, long), /^HTTP\/1\.1 413 /);
    const chunked = `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`;
    assert.match(await create('Transfer-Encoding: chunked\r\n', chunked), /^HTTP\/1\.1 413 /);
    assert.equal(await ids(), before);
  });
});

test('a client that begins and never goes on is let go within seconds', async () => {
  const [withoutTls = 0, withoutEnd = 0] = await silence;
  assert.ok(withoutTls > 5_000 && withoutTls < 15_000, `${withoutTls} ms`);
  assert.ok(withoutEnd > 5_000 && withoutEnd < 25_000, `${withoutEnd} ms`);
});

describe('berth-engine, the program', () => {
  async function say(...args: string[]): Promise<CliResult> {
    try {
      return {
        code: 0,
        ...(await run(program, args, { env: { PATH: process.env['PATH'] }, timeout: 20_000 })),
      };
    } catch (error) {
      const failed = error as { code?: number; stdout?: string; stderr?: string };
      return { code: failed.code ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
    }
  }

  test('version and help print, unknown words and options are refused with a hint', async () => {
    assert.match(
      (await say('version')).stdout,
      /^berth-engine \d+\.\d+\.\d+ \(Docker Engine API 1\.\d+\)\n$/,
    );
    assert.match((await say('--help')).stdout, /\n {2}serve {2,}/);
    assert.match((await say('serve', '--help')).stdout, /--socket FILE/);
    const wrong = await say('sevre');
    assert.deepEqual([wrong.code, wrong.stdout], [1, '']);
    assert.match(
      wrong.stderr,
      /"sevre" is not a command of berth-engine \(see them all: berth-engine help\)/,
    );
    assert.match((await say('serve', '--sokcet', 'x')).stderr, /unknown option '--sokcet'/);
  });

  test('TCP without all three files is refused before anything is touched', async () => {
    const files = [
      '--tls-ca',
      join(certificates, 'ca.pem'),
      '--tls-cert',
      join(certificates, 'server-cert.pem'),
    ];
    const { code, stderr } = await say(
      'serve',
      '--root',
      '/nonexistent/root',
      '--tcp',
      '127.0.0.1:1',
      ...files,
    );
    assert.equal(code, 1);
    assert.match(stderr, /BERTH_ENGINE_TCP is set, but not BERTH_ENGINE_TLS_KEY/);
    const wrongKey = ['--tls-key', join(certificates, 'client/key.pem')];
    const mismatch = await say(
      'serve',
      '--socket',
      join(engine.dir, 'other.sock'),
      '--tcp',
      '127.0.0.1:1',
      ...files,
      ...wrongKey,
    );
    assert.match(mismatch.stderr, /the files for TLS cannot be used: .*key values mismatch/);
  });

  test('it serves with nothing but folders given, and ends without a trace', async (t) => {
    const alone = new TestEngine('bdal');
    t.after(() => alone.checkClean());
    const name = alone.name;
    const options = ['--root', alone.root, '--socket', alone.socketPath, '--run', alone.run, '--name', name];
    const daemon = spawn(program, [...options, '--log-level', 'warn'], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    const exited = once(daemon, 'exit');
    t.after(() => daemon.kill('SIGKILL'));
    await eventually('it answers', async () => (await alone.docker(['version'])).code === 0);
    await alone.makeImage();
    const { stdout } = await alone.docker(['run', '--rm', 'guest', '/guest', 'say', 'alone']);
    assert.equal(stdout, 'alone\n');
    const second = await say('serve', ...options);
    assert.match(second.stderr, /an engine is already serving/);
    daemon.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
});
