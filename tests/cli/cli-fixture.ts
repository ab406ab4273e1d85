// The real `berth` launcher in a private home, against a fake API. Used by every test here; close() removes all of it.
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startCommand } from '@berth/kit/run-command.ts';
import { FakeApi } from './fake-api.ts';

export const launcher = fileURLToPath(new URL('../../apps/cli/bin/berth', import.meta.url));

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  ms: number;
}

export class CliFixture {
  readonly home: string;
  readonly api = new FakeApi();

  private constructor(home: string) {
    this.home = home;
  }

  static async start(): Promise<CliFixture> {
    const fixture = new CliFixture(await mkdtemp(`${tmpdir()}/berth-cli-test-`));
    await mkdir(`${fixture.home}/work`);
    await fixture.api.listen();
    return fixture;
  }

  async close(): Promise<void> {
    await this.api.close();
    await rm(this.home, { recursive: true, force: true });
  }

  get work(): string {
    return `${this.home}/work`;
  }

  environment(extra: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: '/usr/bin:/bin',
      HOME: this.home,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      ...extra,
    };
  }

  async login(): Promise<Ran> {
    return this.berth(['login', '--server', this.api.url, '--token-stdin'], { input: 'good\n' });
  }

  berth(
    args: string[],
    options: { input?: string; cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Ran> {
    return this.program(launcher, args, options);
  }

  git(args: string[], cwd = this.work): Promise<Ran> {
    return this.program('git', args, { cwd });
  }

  start(
    file: string,
    args: string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): ChildProcess {
    const env = this.environment(options.env);
    return startCommand([file, ...args], {
      cwd: options.cwd ?? this.work,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  async program(
    file: string,
    args: string[],
    options: { input?: string; cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Ran> {
    const started = performance.now();
    const child = this.start(file, args, options);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    const { promise, resolve } = Promise.withResolvers<Ran>();
    child.on('close', (code) =>
      resolve({ code: code ?? 128, stdout, stderr, ms: performance.now() - started }),
    );
    return promise;
  }
}

export const app = {
  id: 'a1',
  name: 'hello',
  owner: 'ada',
  url: 'http://hello.localhost:8080',
  gitUrl: 'http://127.0.0.1:7070/hello.git',
  deployBranch: 'main',
  release: 3,
  createdAt: '2026-01-02T03:04:05.000Z',
};

export function release(number: number, more: Record<string, unknown> = {}) {
  return {
    number,
    current: false,
    status: 'succeeded',
    description: `push ${number}`,
    user: 'ada',
    image: `sha256:${'0'.repeat(64)}`,
    build: 1,
    commit: 'a'.repeat(40),
    processTypes: { web: 'node server.js' },
    configVersion: 1,
    error: null,
    createdAt: '2026-01-02T03:04:05.000Z',
    ...more,
  };
}
