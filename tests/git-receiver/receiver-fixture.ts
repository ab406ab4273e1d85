// A real receiver process in a private folder, a TCP port in front of its socket, and a git that knows no machine settings.
// Used by every test here; close() ends all of it and removes the folder.
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCommand } from '@berth/kit/run-command.ts';
import { FakeController } from './fake-controller.ts';

const main = fileURLToPath(new URL('../../apps/git-receiver/main.ts', import.meta.url));

export interface GitResult {
  code: number;
  text: string;
  /** When each piece of output came, in ms since the start. */
  pieces: { ms: number; text: string }[];
}

export class ReceiverFixture {
  readonly folder: string;
  readonly controller = new FakeController();
  readonly #env: Record<string, string>;
  readonly #sockets = new Set<Socket>();
  #front: Server | undefined;
  #process: ChildProcess | undefined;
  log = '';

  private constructor(folder: string, limits: Record<string, string>) {
    this.folder = folder;
    this.#env = {
      PATH: '/usr/bin:/bin',
      BERTH_DATA: `${folder}/data`,
      BERTH_GIT_SOCKET: `${folder}/git.sock`,
      BERTH_CONTROLLER_SOCKET: `${folder}/controller.sock`,
      ...limits,
    };
  }

  static async start(limits: Record<string, string> = {}): Promise<ReceiverFixture> {
    const fixture = new ReceiverFixture(await mkdtemp(`${tmpdir()}/berth-git-test-`), limits);
    await fixture.controller.listen(`${fixture.folder}/controller.sock`);
    await fixture.startProcess();
    await fixture.#openFront();
    return fixture;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get port(): number {
    const address = this.#front?.address() as AddressInfo | null;
    if (!address) throw new Error('the port is not open');
    return address.port;
  }

  get repository(): string {
    return `${this.folder}/data/git/a1.git`;
  }

  async startProcess(): Promise<void> {
    this.#process = startCommand([process.execPath, main], {
      env: this.#env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process.stderr?.on('data', (chunk) => {
      this.log += String(chunk);
    });
    const seen = this.log.length;
    for (let tries = 0; !this.log.slice(seen).includes('listening'); tries++) {
      if (tries > 500) throw new Error(`the receiver did not start: ${this.log}`);
      await sleep(10);
    }
  }

  /** Ends the process with a signal and waits for it. */
  async stopProcess(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('exit', () => resolve());
    child.kill(signal);
    await promise;
  }

  async close(): Promise<void> {
    await this.stopProcess();
    for (const socket of this.#sockets) socket.destroy();
    this.#front?.close();
    await this.controller.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  url(app = 'hello', token = 'good'): string {
    return `http://berth:${token}@127.0.0.1:${this.port}/${app}.git`;
  }

  async git(args: string[], cwd = this.folder): Promise<GitResult> {
    return this.startGit(args, cwd).result;
  }

  startGit(args: string[], cwd = this.folder): { child: ChildProcess; result: Promise<GitResult> } {
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: this.folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.com',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.com',
      LC_ALL: 'C.UTF-8',
    };
    const started = performance.now();
    const child = startCommand(['git', ...args], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const pieces: { ms: number; text: string }[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => pieces.push({ ms: performance.now() - started, text }));
    const { promise, resolve } = Promise.withResolvers<GitResult>();
    child.on('close', (code) =>
      resolve({ code: code ?? 128, text: pieces.map(({ text }) => text).join(''), pieces }),
    );
    return { child, result: promise };
  }

  /** A work tree with one commit of the files given. */
  async project(
    name: string,
    files: Record<string, string | Uint8Array> = { 'server.js': 'hello\n' },
  ): Promise<string> {
    const path = `${this.folder}/${name}`;
    await this.git(['init', '-q', '-b', 'main', path]);
    await this.commit(path, files);
    return path;
  }

  async commit(path: string, files: Record<string, string | Uint8Array>): Promise<string> {
    for (const [file, content] of Object.entries(files)) await writeFile(`${path}/${file}`, content);
    await this.git(['add', '-A'], path);
    await this.git(['commit', '-q', '-m', 'change'], path);
    return (await this.git(['rev-parse', 'HEAD'], path)).text.trim();
  }

  async ref(ref = 'refs/heads/main', repository = this.repository): Promise<string> {
    const answer = await this.git(['--git-dir', repository, 'rev-parse', '--verify', '--quiet', ref]);
    return answer.text.trim();
  }

  /** Names of quarantines and locks in the repository; waits a moment, since a killed git removes its own. */
  async leftovers(limitMs = 10_000): Promise<string[]> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const names = await readdir(this.repository, { recursive: true }).catch(() => []);
      const left = names.filter((name) =>
        /tmp_objdir|incoming-|\.lock$|tmp_pack|tmp_obj_|berth-pending\/./.test(name),
      );
      if (left.length === 0 || performance.now() > deadline) return left;
      await sleep(20);
    }
  }

  async memoryKb(field = 'VmHWM'): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
  }

  async #openFront(): Promise<void> {
    const front = createServer({ noDelay: true }, (socket) => {
      const inner = connect(this.#env['BERTH_GIT_SOCKET'] ?? '');
      for (const [one, two] of [
        [socket, inner],
        [inner, socket],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          two.destroy();
        });
        one.pipe(two);
      }
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    front.listen(0, '127.0.0.1', resolve);
    await promise;
    this.#front = front;
  }
}

/** Waits until the claim holds; fails the test after the limit. */
export async function until(
  claim: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 5000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await claim())) {
    if (performance.now() > deadline) throw new Error(`did not happen: ${what}`);
    await sleep(10);
  }
}
