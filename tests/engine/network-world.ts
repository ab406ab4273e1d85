// Network namespaces for the engine's network tests: a "host" that an engine runs in, and an "outside" machine on a cable to it.
// Nothing of it touches the machine's own network; `close` ends the two processes that hold the namespaces, and all goes with them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, TestEngine } from './engine-harness.ts';

export type Place = 'host' | 'outside';

/** On the cable between the two. */
export const hostAddress = '192.0.2.1';
export const outsideAddress = '192.0.2.2';
export const hostAddress6 = '2001:db8::1';

export class NetworkWorld {
  readonly engine: TestEngine;
  readonly #places: Record<Place, ChildProcess>;
  readonly #servers: ChildProcess[] = [];

  private constructor(engine: TestEngine, places: Record<Place, ChildProcess>) {
    this.engine = engine;
    this.#places = places;
  }

  static async open(name: string): Promise<NetworkWorld> {
    const places = { host: await ownNamespace(), outside: await ownNamespace() };
    const world = new NetworkWorld(new TestEngine(name), places);
    world.#lay();
    world.engine.launcher = ['nsenter', `--net=${world.namespace('host')}`];
    await world.engine.startDaemon();
    await world.engine.makeImage();
    return world;
  }

  async close(): Promise<void> {
    try {
      await this.engine.close();
    } finally {
      for (const process of [...this.#servers, ...Object.values(this.#places)]) process.kill('SIGKILL');
    }
  }

  namespace(place: Place): string {
    return `/proc/${this.#places[place].pid}/ns/net`;
  }

  #lay(): void {
    const { outside } = this.#places;
    this.run('host', 'ip', 'link', 'set', 'lo', 'up');
    this.run('outside', 'ip', 'link', 'set', 'lo', 'up');
    const peer = ['peer', 'name', 'up0', 'netns', String(outside.pid)];
    this.run('host', 'ip', 'link', 'add', 'up0', 'type', 'veth', ...peer);
    for (const [place, v4, v6] of [
      ['host', hostAddress, hostAddress6],
      ['outside', outsideAddress, '2001:db8::2'],
    ] as const) {
      this.run(place, 'ip', 'address', 'add', `${v4}/24`, 'dev', 'up0');
      this.run(place, 'ip', 'address', 'add', `${v6}/64`, 'dev', 'up0', 'nodad');
      this.run(place, 'ip', 'link', 'set', 'up0', 'up');
    }
    // The way to everything else leads to the other side: to containers, too, if the engine lets it.
    this.run('outside', 'ip', 'route', 'add', 'default', 'via', hostAddress);
    this.run('outside', 'ip', '-6', 'route', 'add', 'default', 'via', hostAddress6);
    this.run('host', 'ip', 'route', 'add', 'default', 'via', outsideAddress);
    this.run('host', 'ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::2');
  }

  /** Runs a command there; what it printed, also when it failed. */
  run(place: Place, ...command: string[]): string {
    return execFileSync('nsenter', [`--net=${this.namespace(place)}`, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 15_000,
    }).toString();
  }

  /** `got <text>` or `no connection: …`, as a client of that place sees a port. */
  get(place: Place, address: string, port: number, how: 'get' | 'udp-get' = 'get'): string {
    try {
      return this.run(place, join(this.engine.dir, 'net'), how, address, String(port)).trim();
    } catch (error) {
      return String((error as { stdout?: Buffer }).stdout ?? error).trim();
    }
  }

  /** A server of the guest's on that place, for as long as the test lives. */
  async serve(place: Place, ...args: string[]): Promise<ChildProcess> {
    const child = spawn(
      'nsenter',
      [`--net=${this.namespace(place)}`, join(this.engine.dir, 'net'), ...args],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.#servers.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  /** The docker CLI against this engine, which must succeed. */
  async docker(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.engine.docker(args);
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  /** A container that listens, once it does. */
  async server(name: string, flags: string[], ...command: string[]): Promise<string> {
    const id = await this.docker('run', '-d', '--name', name, ...flags, 'guest', '/net', ...command);
    await eventually(`${name} listens`, async () => (await this.engine.output(id)).includes('listening'));
    return id;
  }

  /** What a new container on a network gets from an address. */
  async getFrom(
    network: string,
    address: string,
    port: number,
    how: 'get' | 'udp-get' = 'get',
    ...flags: string[]
  ): Promise<string> {
    const command = ['/net', how, address, String(port)];
    const run = ['run', '--rm', '--network', network, ...flags, 'guest', ...command];
    return (await this.engine.docker(run)).stdout.trim();
  }

  async inspect(name: string, format: string): Promise<string> {
    return this.docker('inspect', '-f', format, name);
  }
}

/** A process that holds a new network namespace open. */
async function ownNamespace(): Promise<ChildProcess> {
  const child = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' });
  const own = readlinkSync('/proc/self/ns/net');
  const deadline = Date.now() + 5_000;
  for (;;) {
    try {
      const isReady =
        readlinkSync(`/proc/${child.pid}/ns/net`) !== own &&
        readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').startsWith('sleep');
      if (isReady) return child;
    } catch {
      // not there yet
    }
    if (Date.now() > deadline) throw new Error('no network namespace after 5 s; the tests need root');
    await sleep(5);
  }
}
