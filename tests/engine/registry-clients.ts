// The registry clients that people have, as tests use them: skopeo, podman and Docker's own daemon, each with private folders, and
// which of them this machine lacks. Must never touch the machine's own containers storage.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

const commandLimitMs = 60_000; // a client that hangs must fail the test, not hang it
const daemonReadyMs = 30_000; // dockerd starts a containerd first, on a busy machine slowly

/** False when all are there; else the sentence that a skipped test says. */
export function lacks(...programs: string[]): string | false {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length > 0 && `needs ${missing.join(', ')}: install the Debian packages of these names`;
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
  input = '',
  limitMs = commandLimitMs,
): Promise<Ran> {
  const own = { PATH: process.env['PATH'] ?? '', ...env };
  const options = { env: own, timeout: limitMs, killSignal: 'SIGKILL' as const }; // docker attach passes others on to the container
  const work = promisify(execFile)(program, args, options);
  work.child.stdin?.on('error', () => {}); // it may end without reading
  work.child.stdin?.end(input);
  try {
    return { code: 0, ...(await work) };
  } catch (error) {
    const failed = error as { code?: number; stdout?: string; stderr?: string };
    return { code: failed.code ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

/** Runs and fails the test with what the program said. */
export async function runOk(program: string, args: string[], env: Record<string, string> = {}, input = '') {
  const ran = await run(program, args, env, input);
  if (ran.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}

/** podman with all of its storage below a folder of the test. */
export function podmanArgs(dir: string): string[] {
  const below = (name: string) => join(dir, 'podman', name);
  mkdirSync(below('tmp'), { recursive: true });
  return [
    ...['--root', below('root'), '--runroot', below('run'), '--tmpdir', below('tmp')],
    ...['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
  ];
}

/** Docker's daemon without any network of its own: it only pulls and pushes. */
export class DockerDaemon {
  readonly #dir: string;
  readonly #process: ChildProcess;
  #log = '';

  private constructor(dir: string) {
    this.#dir = join(dir, 'dockerd');
    mkdirSync(this.#dir, { recursive: true });
    const at = (name: string) => join(this.#dir, name);
    const noNetwork = [
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--ip-masq=false',
    ];
    this.#process = spawn(
      'dockerd',
      [
        ...['--host', `unix://${at('sock')}`, '--data-root', at('data'), '--exec-root', at('run')],
        ...['--pidfile', at('pid'), '--storage-driver', 'vfs', ...noNetwork],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000);
    });
  }

  static async start(dir: string): Promise<DockerDaemon> {
    const daemon = new DockerDaemon(dir);
    const deadline = Date.now() + daemonReadyMs;
    while ((await daemon.docker(['version'])).code !== 0) {
      if (Date.now() > deadline || daemon.#process.exitCode !== null)
        throw new Error(`dockerd does not start: ${daemon.#log}`);
      await sleep(100);
    }
    return daemon;
  }

  /** The docker CLI against this daemon; its logins stay in the test's folder. */
  docker(args: string[], input = ''): Promise<Ran> {
    const env = { DOCKER_HOST: `unix://${join(this.#dir, 'sock')}`, HOME: this.#dir };
    return run('docker', args, env, input);
  }

  async dockerOk(args: string[], input = ''): Promise<string> {
    const ran = await this.docker(args, input);
    if (ran.code !== 0) throw new Error(`docker ${args.join(' ')}: ${ran.stderr}${ran.stdout}${this.#log}`);
    return ran.stdout;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = new Promise((done) => this.#process.once('exit', done));
    this.#process.kill('SIGTERM');
    await exited;
  }
}
