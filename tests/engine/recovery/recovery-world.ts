// An engine with a witness: a container that a client talks to through a published port, whatever is killed around it. After each
// kill `checkWhole` holds what the engine says against what the kernel and the disk have. Used by the tests of this folder.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { findProcesses } from '@berth/engine-daemon/runtime/own-processes.ts';
import { askByUdp } from '../dns-client.ts';
import { eventually, TestEngine } from '../engine-harness.ts';
import { makeTar } from '../make-tar.ts';
import { TalkingClient } from './talking-client.ts';

export const network = 'rec-net';
export const filesInImage = 400;

interface RunRecord {
  endpoints: { hostIfname: string }[];
  ports: { hostPort: number }[];
}

export class RecoveryWorld {
  readonly engine: TestEngine;
  witness = '';
  client!: TalkingClient;
  port = 0;
  #witnessPid = 0;

  private constructor(name: string) {
    this.engine = new TestEngine(name);
  }

  static async open(name: string): Promise<RecoveryWorld> {
    const world = new RecoveryWorld(name);
    try {
      await world.#begin();
    } catch (error) {
      await world.engine.close(); // what does not come up must not stay half up
      throw error;
    }
    return world;
  }

  async #begin(): Promise<void> {
    const { engine } = this;
    engine.settings['BERTH_ENGINE_STORE_GRACE'] = '0';
    await engine.startDaemon();
    await engine.makeImage();
    await this.#makeFullImage();
    await this.docker('network', 'create', network);
    const run = ['run', '-d', '--name', 'witness', '--network', network, '-p', '127.0.0.1::7000'];
    this.witness = await this.docker(...run, 'guest', '/net', 'echo', '7000');
    await this.findWitness();
  }

  /** Notes who the witness is, and talks to it from now on. */
  async findWitness(): Promise<void> {
    await eventually('the witness listens', async () => (await this.engine.output(this.witness)) !== '');
    this.#witnessPid = (await this.stateOf(this.witness)).Pid;
    this.port = Number((await this.docker('port', 'witness', '7000')).split(':').at(-1));
    this.client = await TalkingClient.connect('127.0.0.1', this.port);
  }

  /** An image of many files, for what takes a while. */
  async #makeFullImage(): Promise<void> {
    const files = Array.from({ length: filesInImage }, (_, at) => ({
      name: `data/file${at}`,
      content: `file ${at}`,
    }));
    const tar = makeTar([{ name: 'data/', type: '5', mode: 0o755 }, ...files]);
    const { diffId } = await this.engine.client.makeLayer(Readable.from([tar]), { mtime: 0 });
    await this.engine.client.makeImage({
      config: { architecture: 'amd64', os: 'linux', config: { Cmd: ['/guest', 'id'] } },
      layers: [this.engine.layer, diffId],
      tags: ['full'],
    });
  }

  async docker(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.engine.docker(args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}${this.engine.log}`);
    return stdout.trim();
  }

  async stateOf(id: string) {
    return (await this.engine.client.inspectContainer(id)).State;
  }

  /** Two short-lived things must not be taken for one: the shim of a container that runs. */
  async shimOf(id: string): Promise<number> {
    const { Pid } = await this.stateOf(id);
    const status = readFileSync(`/proc/${Pid}/status`, 'utf8');
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
  }

  /** Shims of this engine but for the witness's, also those that still start: by the ids that the engine has folders for. */
  shimsBesideWitness(): number[] {
    const ids = readdirSync(join(this.engine.root, 'containers')).filter((id) => id !== this.witness);
    return ids.flatMap((id) => shimPids(id));
  }

  async restartDaemon(): Promise<void> {
    await this.engine.stopDaemon('SIGKILL');
    await this.engine.startDaemon();
  }

  dnsPids(): number[] {
    return findProcesses('berth-dns', '--dir', join(this.engine.run, 'dns'));
  }

  /** What must hold whenever nothing is under way. */
  async checkWhole(after: string): Promise<void> {
    assert.equal(this.client.failure, '', `${after}: the client of the witness`);
    const { Status, Pid } = await this.stateOf(this.witness);
    assert.deepEqual([Status, Pid], ['running', this.#witnessPid], `${after}: the witness`);
    let found: string[] = [];
    const isWhole = async () => {
      found = await this.strangers();
      return found.length === 0;
    };
    await eventually('nothing is left over', isWhole, 6_000).catch(() => {
      assert.deepEqual(found, [], `${after}: left over; the engine's log: ${this.engine.log}`);
    });
    await this.#checkNames(after);
  }

  /** Whatever is there without a container that runs, and whatever lacks for one that does. */
  async strangers(): Promise<string[]> {
    const all = await this.engine.client.listContainers();
    const known = all.map(({ Id }) => Id);
    const running = all.filter(({ State }) => State === 'running' || State === 'paused').map(({ Id }) => Id);
    const details = await Promise.all(running.map((id) => this.engine.client.inspectContainer(id)));
    const { root, run } = this.engine;
    const dead = details
      .filter(({ State }) => !existsSync(`/proc/${State.Pid}`))
      .map(({ Id }) => `dead ${Id}`);
    const within = (dir: string) => (existsSync(dir) ? readdirSync(dir) : []);
    return [
      ...dead,
      ...differ('cgroup', this.#cgroups(), running),
      ...differ('RUN folder', within(join(run, 'containers')), running),
      ...differ('folder', within(join(root, 'containers')), known),
      ...differ('veth', this.#veths(), this.#wantedVeths(running)),
      ...differ('port', this.#ports(), this.#wantedPorts(running)),
      ...within(join(root, 'layers'))
        .filter((name) => name.startsWith('.'))
        .map((name) => `layers/${name}`),
      ...within(join(root, 'volumes'))
        .filter((name) => name.startsWith('.'))
        .map((name) => `volumes/${name}`),
      ...within(join(run, 'build')).map((name) => `build/${name}`),
      ...readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(root)),
    ];
  }

  #cgroups(): string[] {
    const { name } = this.engine;
    const roots = existsSync('/sys/fs/cgroup/pids') ? readdirSync('/sys/fs/cgroup') : [''];
    const dirs = roots
      .map((each) => join('/sys/fs/cgroup', each, `berth-${name}`))
      .filter((dir) => existsSync(dir));
    const groups = dirs.flatMap((dir) => readdirSync(dir, { withFileTypes: true }));
    return groups.filter((entry) => entry.isDirectory() && entry.name !== 'shims').map((entry) => entry.name);
  }

  #veths(): string[] {
    return readdirSync('/sys/class/net')
      .filter((link) => link.startsWith(`${this.engine.name}-`))
      .flatMap((bridge) => readdirSync(`/sys/class/net/${bridge}/brif`));
  }

  /** The run record names the endpoints; what is on the bridges must be these and no others. */
  #wantedVeths(running: string[]): string[] {
    return running.flatMap((id) => this.#runRecord(id).endpoints.map(({ hostIfname }) => hostIfname));
  }

  #wantedPorts(running: string[]): string[] {
    return running.flatMap((id) => this.#runRecord(id).ports.map(({ hostPort }) => String(hostPort)));
  }

  #runRecord(id: string): RunRecord {
    return JSON.parse(readFileSync(join(this.engine.run, 'containers', id, 'run.json'), 'utf8')) as RunRecord;
  }

  /** Ports of the host that the engine's table leads somewhere. */
  #ports(): string[] {
    const table = execFileSync('nft', ['list', 'table', 'inet', `berth_${this.engine.name}`]).toString();
    const elements = [...table.matchAll(/elements = \{([^}]*)\}/g)].map(([, text = '']) => text);
    return elements.flatMap((text) =>
      [...text.matchAll(/(?:tcp|udp|sctp) \. (\d+) :/g)].map(([, port = '']) => port),
    );
  }

  async #checkNames(after: string): Promise<void> {
    const { Networks } = (await this.engine.client.inspectContainer(this.witness))
      .NetworkSettings as unknown as {
      Networks: Record<string, { Gateway: string }>;
    };
    const gateway = Networks[network]?.Gateway ?? '';
    await eventually(`${after}: the witness has a name`, async () => {
      const reply = await askByUdp(gateway, { name: 'witness' }, { limitMs: 300 }).catch(() => undefined);
      return reply?.answers === 1;
    });
  }

  async close(): Promise<void> {
    await this.client.stop();
    try {
      await this.engine.removeAll();
      await this.engine.docker(['network', 'rm', network]);
    } finally {
      await this.engine.close();
    }
  }
}

/** Processes that call themselves the shim of a container, also while they start. */
export function shimPids(id: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `berth-shim\0${id.slice(0, 12)}\0`;
      } catch {
        return false;
      }
    });
}

function differ(what: string, found: string[], wanted: string[]): string[] {
  const missing = wanted.filter((one) => !found.includes(one)).map((one) => `no ${what} of ${one}`);
  const strange = [...new Set(found)].filter((one) => !wanted.includes(one)).map((one) => `${what} ${one}`);
  return [...missing, ...strange];
}
