// Debian's dockerd as the walk's peer: network and mount namespaces, folders and control groups of its own, all gone when it is stopped.
// Must never be seen by the machine's other programs: its bridge and its rules live and die with its network namespace.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../registry-clients.ts';

const loopbackThen = 'ip link set lo up && exec "$@"'; // a new network namespace has none
const readyLimitMs = 40_000; // it starts a containerd first, on a busy machine slowly
const stopLimitMs = 15_000; // a daemon that does not end must not hang the tests

export class Dockerd {
  readonly dir = mkdtempSync('/var/tmp/walk-dockerd-');
  readonly socket = join(this.dir, 'sock');
  readonly #groups = `/walk-${process.pid}`;
  readonly #process: ChildProcess;
  #log = '';

  private constructor() {
    const at = (name: string) => join(this.dir, name);
    writeFileSync(at('daemon.json'), '{}');
    mkdirSync(at('home'));
    const daemon = [
      ...['dockerd', '--config-file', at('daemon.json'), '--host', `unix://${this.socket}`],
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')],
      ...['--cgroup-parent', this.#groups, '--log-level', 'warn'],
    ];
    this.#process = spawn('unshare', ['--net', '--mount', 'sh', '-c', loopbackThen, 'sh', ...daemon], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000);
    });
  }

  static async start(): Promise<Dockerd> {
    const daemon = new Dockerd();
    const deadline = Date.now() + readyLimitMs;
    const env = { DOCKER_HOST: `unix://${daemon.socket}`, HOME: daemon.dir };
    while ((await run('docker', ['version'], env)).code !== 0) {
      if (Date.now() > deadline || daemon.#process.exitCode !== null) {
        await daemon.stop();
        throw new Error(`dockerd does not start: ${daemon.#log}`);
      }
      await sleep(100);
    }
    return daemon;
  }

  /** Ends it (its containers are expected to be removed) and whatever it made on this machine. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise((done) => this.#process.once('exit', done));
      this.#process.kill('SIGTERM');
      await Promise.race([exited, sleep(stopLimitMs, undefined, { ref: false })]);
      this.#process.kill('SIGKILL');
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 20 });
    for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
      const group = join('/sys/fs/cgroup', hierarchy, this.#groups);
      if (existsSync(group)) rmdirSync(group);
    }
  }
}
