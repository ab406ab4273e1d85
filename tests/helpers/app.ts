// A user's app on a test platform: a git repository, `berth create`, real pushes, requests through the router, a steady load.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '@berth/kit/run-command.ts';
import type { TestPlatform } from './platform.ts';

export interface Answer {
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface Pushed {
  exitCode: number;
  /** What git printed, with `remote: ` in front of the platform's lines. */
  output: string;
  ms: number;
}

export interface TestApp {
  name: string;
  folder: string;
  /** Writes files (null deletes) and commits them. */
  commit(files: Record<string, string | null>): Promise<string>;
  push(args?: string[], options?: { timeoutMs?: number }): Promise<Pushed>;
  git(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** Runs `berth … -a NAME` and gives its parsed JSON when `--json` is among the arguments. */
  berth(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  json<T>(...args: string[]): Promise<T>;
  get(path?: string, headers?: Record<string, string>): Promise<Answer>;
  /** Asks until `wanted` likes the answer; throws with the last one when it does not in time. */
  until(wanted: (answer: Answer) => boolean, limitMs?: number): Promise<Answer>;
}

/** A web process without dependencies: answers with its version, its instance and the config var GREETING. */
export function serverFiles(version: string): Record<string, string> {
  return {
    'package.json': JSON.stringify({
      name: 'sample',
      version: '1.0.0',
      private: true,
      scripts: { start: 'node server.js' },
    }),
    'package-lock.json': JSON.stringify({
      name: 'sample',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name: 'sample', version: '1.0.0' } },
    }),
    'server.js': serverSource(version),
  };
}

export function serverSource(version: string): string {
  return `const http = require('node:http');
const server = http.createServer((request, response) => {
  if (request.url === '/slow') return void setTimeout(() => response.end('slow ${version}'), 1500);
  response.setHeader('x-release', process.env.BERTH_RELEASE);
  response.end(JSON.stringify({ version: '${version}', instance: process.env.BERTH_PROCESS, id: process.env.BERTH_INSTANCE, greeting: process.env.GREETING }));
});
server.keepAliveTimeout = 60000;
server.listen(process.env.PORT, () => console.log('listening, version ${version}'));
process.on('SIGTERM', () => {
  console.log('closing, version ${version}');
  server.close(() => setTimeout(() => { console.log('closed, version ${version}'); process.exit(0); }, 300));
});
`;
}

export async function makeApp(
  platform: TestPlatform,
  name: string,
  files: Record<string, string>,
): Promise<TestApp> {
  const folder = join(platform.home, name);
  mkdirSync(folder, { recursive: true });
  const git = async (...args: string[]) => {
    const done = await runCommand(['git', ...args], { cwd: folder, env: platform.env, timeoutMs: 60_000 });
    return { exitCode: done.exitCode, stdout: done.stdout.toString('utf8'), stderr: done.stderr };
  };
  const must = async (...args: string[]) => {
    const done = await git(...args);
    if (done.exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
    return done.stdout.trim();
  };
  await must('init', '-q', '-b', 'main');
  const app: TestApp = {
    name,
    folder,
    git,
    commit: async (changes) => {
      for (const [path, content] of Object.entries(changes)) writeOrRemove(join(folder, path), content);
      await must('add', '-A');
      await must('commit', '-q', '--allow-empty', '-m', 'change');
      return must('rev-parse', 'HEAD');
    },
    push: async (args = ['main'], options = {}) => {
      const start = performance.now();
      const argv: [string, ...string[]] = ['git', 'push', 'berth', ...args];
      const done = await runCommand(argv, {
        cwd: folder,
        env: platform.env,
        timeoutMs: options.timeoutMs ?? 300_000,
      });
      return { exitCode: done.exitCode, output: done.stderr, ms: performance.now() - start };
    },
    berth: async (command = '', ...args) => {
      const done = await platform.berth([command, '-a', name, ...args], { cwd: folder, timeoutMs: 120_000 });
      return { exitCode: done.exitCode, stdout: done.stdout.toString('utf8'), stderr: done.stderr };
    },
    json: async <T>(...args: string[]) => {
      const done = await app.berth(...args, '--json');
      if (done.exitCode !== 0) throw new Error(`berth ${args.join(' ')}: ${done.stderr}`);
      return JSON.parse(done.stdout) as T;
    },
    get: (path = '/', headers = {}) => ask(platform.httpPort, name, path, headers),
    until: async (wanted, limitMs = 30_000) => {
      const deadline = performance.now() + limitMs;
      for (;;) {
        const answer = await app
          .get()
          .catch((error: Error) => ({ status: 0, body: error.message, headers: {} }));
        if (wanted(answer)) return answer;
        if (performance.now() > deadline)
          throw new Error(`the last answer was ${answer.status} ${answer.body.slice(0, 300)}`);
        await sleep(100);
      }
    },
  };
  await app.commit(files);
  const created = await platform.berth(['create', name], { cwd: folder });
  if (created.exitCode !== 0) throw new Error(`berth create ${name}: ${created.stderr}`);
  return app;
}

function writeOrRemove(path: string, content: string | null): void {
  if (content === null) {
    rmSync(path, { force: true, recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const agent = new Agent({ keepAlive: false });

export function ask(
  port: number,
  app: string,
  path = '/',
  headers: Record<string, string> = {},
  use = agent,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(
    {
      host: '127.0.0.1',
      port,
      path,
      agent: use,
      timeout: 40_000,
      headers: { host: `${app}.localhost`, ...headers },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 40 s')));
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

export interface Load {
  sent: number;
  failed: string[];
  releases: Set<string>;
  stop(): Promise<void>;
}

/** Sends `perSecond` requests each second over keep-alive connections until stopped; every answer that is not 200 is a failure. */
export function startLoad(port: number, app: string, perSecond: number): Load {
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 32 });
  const pending = new Set<Promise<void>>();
  const load: Load = { sent: 0, failed: [], releases: new Set(), stop: async () => {} };
  const start = performance.now();
  const send = () => {
    load.sent++;
    const one = ask(port, app, '/', {}, keepAlive).then(
      (answer) => {
        if (answer.status === 200) load.releases.add(String(answer.headers['x-release']));
        else load.failed.push(`${answer.status} ${answer.body.slice(0, 120)}`);
      },
      (error: Error) => void load.failed.push(error.message),
    );
    pending.add(one);
    void one.finally(() => pending.delete(one));
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * perSecond;
    while (load.sent < due && pending.size < 500) send();
  }, 5);
  load.stop = async () => {
    clearInterval(timer);
    await Promise.all(pending);
    keepAlive.destroy();
  };
  return load;
}
