// A whole engine of its own for a test: daemon, helper and shims in private folders, with an image of two static guest programs.
// `close` removes everything and fails when anything is left over. Needs root and the built runtime.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineClient } from '@berth/clients/engine-client.ts';
import type { CreateContainer } from '@berth/clients/engine-types.ts';
import { guestProgram, nativeDir, slowness } from './config.ts';
import { makeTar } from './make-tar.ts';

const repository = resolve(import.meta.dirname, '../..');
const daemonMain = join(repository, 'engine-native/daemon/main.ts');
const readyLimitMs = 10_000 * slowness; // an engine that does not come up must fail the test, not hang it

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

export class TestEngine {
  readonly name: string;
  readonly dir: string;
  readonly run: string;
  readonly root: string;
  readonly socketPath: string;
  readonly client: EngineClient;
  /** Further settings of the daemon, as environment variables; set them before it starts. */
  readonly settings: Record<string, string> = {};
  /** What starts the daemon, when it is to run in a network namespace of the test's own. */
  launcher: string[] = [];
  image = '';
  layer = '';
  #daemon: ChildProcess | undefined;
  #log = '';

  constructor(name: string) {
    this.name = ownName(name);
    this.dir = mkdtempSync('/var/tmp/engined-test-');
    this.root = join(this.dir, 'root');
    this.run = `/run/engined-test-${this.name}`;
    this.socketPath = join(this.dir, 'engine.sock');
    this.client = new EngineClient(this.socketPath);
  }

  /** Starts the daemon and makes the test image. */
  static async start(name: string): Promise<TestEngine> {
    const engine = new TestEngine(name);
    await engine.startDaemon();
    await engine.makeImage();
    return engine;
  }

  async startDaemon(): Promise<void> {
    const [program = process.execPath, ...args] = [...this.launcher, process.execPath, daemonMain];
    const daemon = spawn(program, args, {
      env: {
        PATH: process.env['PATH'],
        BERTH_ENGINE_SOCKET: this.socketPath,
        BERTH_ENGINE_ROOT: this.root,
        BERTH_ENGINE_RUN: this.run,
        BERTH_ENGINE_NATIVE: nativeDir,
        BERTH_ENGINE_NAME: this.name,
        BERTH_LOG_LEVEL: 'warn',
        ...this.settings,
      },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    daemon.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    this.#daemon = daemon;
    const deadline = Date.now() + readyLimitMs;
    for (;;) {
      if (daemon.exitCode !== null || Date.now() > deadline)
        throw new Error(`the engine does not start: ${this.#log}`);
      try {
        return await this.client.ping();
      } catch {
        await sleep(10);
      }
    }
  }

  get log(): string {
    return this.#log;
  }

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0;
  }

  get helperPid(): number {
    return pidsOf('berth-engine-helper', this.run)[0] ?? 0;
  }

  /** Ends the daemon and waits for it: SIGKILL for a crash, SIGTERM for a proper end. */
  async stopDaemon(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = new Promise((done) => daemon.once('exit', done));
    daemon.kill(signal);
    await exited;
  }

  async makeImage(): Promise<void> {
    const layer = await this.client.makeLayer(Readable.from([guestTar(this.dir)]), { mtime: 0 });
    this.layer = layer.diffId;
    this.image = await this.client.makeImage({
      config: {
        architecture: 'amd64',
        os: 'linux',
        config: { Env: ['GREETING=hello'], Cmd: ['/guest', 'id'] },
      },
      layers: [layer.diffId],
      tags: ['guest'],
    });
  }

  /** Creates and starts a container of the guest image. */
  async runDetached(cmd: string[], more: Partial<CreateContainer> = {}, name?: string): Promise<string> {
    const id = await this.client.createContainer({ Image: 'guest', Cmd: cmd, ...more }, name);
    await this.client.startContainer(id);
    return id;
  }

  async addressOf(id: string): Promise<string> {
    return (await this.client.inspectContainer(id)).NetworkSettings.IPAddress ?? '';
  }

  async output(id: string, options: { tail?: number } = {}): Promise<string> {
    let text = '';
    for await (const { data } of this.client.logs(id, options)) text += data.toString();
    return text;
  }

  /** The real docker CLI against this engine. */
  async docker(args: string[], input?: string): Promise<CliResult> {
    const options = {
      env: { PATH: process.env['PATH'], HOME: this.dir, DOCKER_HOST: `unix://${this.socketPath}` },
      timeout: 30_000 * slowness,
    };
    const work = promisify(execFile)('docker', args, options);
    work.child.stdin?.on('error', () => {}); // a command that needs no input may end before it is given any
    work.child.stdin?.end(input ?? '');
    try {
      return { code: 0, ...(await work) };
    } catch (error) {
      const failed = error as { code?: number; stdout?: string; stderr?: string };
      return { code: failed.code ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
    }
  }

  /** Removes every container and the daemon, and checks that the host is as it was. */
  async close(): Promise<void> {
    try {
      await this.removeAll();
    } finally {
      await this.stopDaemon('SIGTERM');
    }
    await this.checkClean();
  }

  async removeAll(): Promise<void> {
    await this.client.ping();
    const all = await this.client.listContainers();
    await Promise.all(all.map(({ Id }) => this.client.removeContainer(Id, { force: true })));
  }

  /** Fails when anything of this engine is left, and removes its folders. */
  async checkClean(): Promise<void> {
    this.client.close();
    for (let round = 0; round < 100 * slowness && this.leftovers().length > 0; round++) await sleep(20);
    const leftovers = this.leftovers();
    rmSync(this.dir, { recursive: true, force: true });
    rmSync(this.run, { recursive: true, force: true });
    assert.deepEqual(leftovers, [], `the engine left something behind; its log: ${this.#log}`);
  }

  /** Every process in a container of this engine, whoever knows about it. */
  cgroupProcesses(): string[] {
    const parent = join(
      '/sys/fs/cgroup',
      existsSync('/sys/fs/cgroup/pids') ? 'pids' : '',
      `berth-${this.name}`,
    );
    if (!existsSync(parent)) return [];
    return readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'shims')
      .flatMap((entry) => readFileSync(join(parent, entry.name, 'cgroup.procs'), 'utf8').split('\n'))
      .filter((line) => line !== '');
  }

  /** What is still there of this engine: processes, devices, rules, control groups, mounts. */
  leftovers(): string[] {
    const shims = [...pidsOf('', this.run), ...shimsOf(this.root)].map((pid) => `process ${pid}`);
    const links = readdirSync('/sys/class/net').filter((link) => link.startsWith(`${this.name}-`));
    const tables = execFileSync('nft', ['list', 'tables']).toString();
    const table = tables.includes(`berth_${this.name}\n`) ? [`nft table berth_${this.name}`] : [];
    const groups = readdirSync('/sys/fs/cgroup')
      .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, `berth-${this.name}`))
      .filter((dir) => existsSync(dir));
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.dir) || line.includes(`${this.run}/`));
    return [...shims, ...links, ...table, ...groups, ...mounts];
  }
}

/** Another run of the same test may be under way on this machine: each has bridges, control groups and folders of its own. */
function ownName(name: string): string {
  return name.slice(0, 4) + process.pid.toString(36).slice(-4);
}

/** Processes whose command line names this engine's RUN folder. */
function pidsOf(program: string, run: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return line.includes(run) && line.includes(program) && Number(pid) !== process.pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Shims that hold a file of this engine open: their log. */
function shimsOf(root: string): number[] {
  return pidsOf('berth-shim', '').filter((pid) => {
    try {
      const folder = `/proc/${pid}/fd`;
      return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)).startsWith(`${root}/`));
    } catch {
      return false;
    }
  });
}

/** A root filesystem of two static programs and an /etc. */
export function guestTar(dir: string): Buffer {
  const net = join(dir, 'net');
  if (!existsSync(net))
    execFileSync('cc', ['-static', '-O1', '-o', net, join(import.meta.dirname, 'netguest.c')]);
  const directories = ['bin/', 'etc/', 'tmp/', 'proc/', 'sys/', 'dev/'];
  return makeTar([
    ...directories.map((name) => ({ name, type: '5', mode: name === 'tmp/' ? 0o1777 : 0o755 })),
    { name: 'etc/passwd', content: 'root:x:0:0::/root:/guest\napp:x:1000:1001::/:/guest\n' },
    { name: 'etc/group', content: 'root:x:0:\napp:x:1001:\n' },
    { name: 'guest', mode: 0o755, content: readFileSync(guestProgram) },
    { name: 'net', mode: 0o755, content: readFileSync(net) },
  ]);
}

/** Waits until a claim holds; says what was claimed when it never does. */
export async function eventually(
  claim: string,
  holds: () => Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + limitMs * slowness;
  while (!(await holds())) {
    if (Date.now() > deadline) assert.fail(`not within ${limitMs * slowness} ms: ${claim}`);
    await sleep(20);
  }
}
