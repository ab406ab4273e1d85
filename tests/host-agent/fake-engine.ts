// An engine in memory, for tests of the host agent: containers are small programs by name, web servers really listen (each on an address of its own).
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CreateContainer, EngineEvent } from '@berth/clients/engine-types.ts';
import type { PodEngine } from '@berth/host-agent/pod-engine.ts';
import { AppError } from '@berth/kit/errors.ts';

interface FakeContainer {
  id: string;
  name: string;
  body: CreateContainer;
  status: 'created' | 'running' | 'exited';
  exitCode: number;
  oomKilled: boolean;
  created: number;
  address: string;
  output: string[];
  server: Server | undefined;
  signals: string[];
}

let count = 0;

/** Programs: `serve MS` listens after MS; `silent` never does; `sleep`; `exit CODE`; `stubborn` ignores SIGTERM. */
export class FakeEngine {
  readonly containers = new Map<string, FakeContainer>();
  isAway = false;
  starts = 0;
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  readonly asEngine = this as unknown as PodEngine;

  #check(): void {
    if (this.isAway) throw new AppError('unavailable', 'the engine cannot be reached');
  }

  #get(id: string): FakeContainer {
    this.#check();
    const container = this.containers.get(id);
    if (!container) throw new AppError('not_found', `No such container: ${id}`);
    return container;
  }

  async createContainer(body: CreateContainer, name = ''): Promise<string> {
    this.#check();
    if (body.Image === 'sha256:missing') throw new AppError('not_found', 'No such image: sha256:missing');
    for (const known of this.containers.values())
      if (known.name === name) throw new AppError('conflict', `name "${name}" is in use`);
    const n = ++count; // over all engines: each container has an address of its own
    const id = `c${n}`.padEnd(12, '0');
    this.containers.set(id, {
      id,
      name,
      body,
      status: 'created',
      exitCode: 0,
      oomKilled: false,
      created: Math.floor(Date.now() / 1000) + n / 1000,
      address: `127.77.${process.pid % 250}.${n % 250}`,
      output: [],
      server: undefined,
      signals: [],
    });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const container = this.#get(id);
    container.status = 'running';
    this.starts++;
    this.#emit('start', id);
    void this.#program(container);
  }

  async #program(container: FakeContainer): Promise<void> {
    const [program, argument = '0'] = container.body.Cmd ?? [];
    if (program === 'exit') {
      container.output.push(`exiting with ${argument}\n`);
      await sleep(2);
      this.exit(container.id, Number(argument));
    } else if (program === 'serve') {
      await sleep(Number(argument));
      if (container.status !== 'running') return;
      const port = Number(container.body.Env?.find((entry) => entry.startsWith('PORT='))?.slice(5));
      container.server = createServer((socket) => socket.end()).listen(port, container.address);
    }
  }

  /** The container ends by itself (or the test wants it to). */
  exit(id: string, exitCode: number, isOom = false): void {
    const container = this.containers.get(id);
    if (container?.status !== 'running') return;
    container.server?.close();
    Object.assign(container, { status: 'exited', exitCode, oomKilled: isOom });
    this.#emit('die', id);
  }

  async stopContainer(id: string): Promise<void> {
    const container = this.#get(id);
    container.signals.push('SIGTERM');
    await sleep(5);
    this.exit(id, container.body.Cmd?.[0] === 'stubborn' ? 137 : 143);
  }

  async killContainer(id: string, signal = 'SIGKILL'): Promise<void> {
    this.#get(id).signals.push(signal);
    if (signal === 'SIGKILL') this.exit(id, 137);
  }

  async removeContainer(id: string): Promise<void> {
    this.#check();
    this.exit(id, 137);
    this.containers.delete(id);
  }

  async inspectContainer(id: string) {
    const { status, exitCode, oomKilled, body, address, name } = this.#get(id);
    return {
      Id: id,
      Name: `/${name}`,
      Config: { Labels: body.Labels ?? {}, Tty: false },
      State: {
        Status: status,
        Running: status === 'running',
        ExitCode: exitCode,
        OOMKilled: oomKilled,
        Pid: 0,
        Error: '',
      },
      NetworkSettings: { Networks: { 'berth-apps': { IPAddress: address } } },
    };
  }

  async listContainers({ all = true, labels = [] }: { all?: boolean; labels?: readonly string[] } = {}) {
    this.#check();
    return [...this.containers.values()]
      .filter(
        ({ status, body }) => (all || status === 'running') && labels.every((label) => hasLabel(body, label)),
      )
      .map(({ id, name, status, created, body }) => ({
        Id: id,
        Names: [`/${name}`],
        State: status,
        Created: created,
        Labels: body.Labels ?? {},
      }));
  }

  async *logs(id: string) {
    for (const text of this.#get(id).output) yield { stream: 'stdout' as const, data: Buffer.from(text) };
  }

  async ensureNetwork(): Promise<void> {
    this.#check();
  }

  async *events({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<EngineEvent> {
    this.#check();
    const queue: EngineEvent[] = [];
    let wake = () => {};
    const listener = (event: EngineEvent) => {
      queue.push(event);
      wake();
    };
    this.#listeners.add(listener);
    signal?.addEventListener('abort', () => wake());
    try {
      while (!signal?.aborted) {
        const event = queue.shift();
        if (event) yield event;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #emit(action: string, id: string): void {
    const event = {
      Type: 'container',
      Action: action,
      Actor: { ID: id, Attributes: {} },
      time: 0,
      timeNano: 0,
    };
    for (const listener of this.#listeners) listener(event);
  }

  running(): FakeContainer[] {
    return [...this.containers.values()].filter((container) => container.status === 'running');
  }

  close(): void {
    for (const container of this.containers.values()) container.server?.close();
  }
}

function hasLabel(body: CreateContainer, label: string): boolean {
  const [key = '', value] = label.split('=');
  const found = body.Labels?.[key];
  return found !== undefined && (value === undefined || found === value);
}
