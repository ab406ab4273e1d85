// The daemon's side of one container's shim (PROTOCOL.md, "Shim"): control ops on a shared connection, streams on their own.
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { ProcessSpec, ResourceSpec } from './container-spec.ts';
import { FrameConnection } from './frame-connection.ts';
import { openStreamOp } from './stream-op.ts';

const connectLimitMs = 1_000; // a shim that does not accept within a second is counted as dead
const opLimitMs = 5_000;

export interface ExitRecord {
  exitCode: number;
  signal?: number;
  oomKilled: boolean;
  startedAt?: string;
  finishedAt: string;
}

export interface ShimState {
  status: 'running' | 'paused' | 'exited';
  pid: number;
  startedAt: string;
  exit?: ExitRecord;
}

export interface ShimStats {
  memoryBytes: number;
  memoryLimitBytes: number;
  cpuNanos: number;
  pids: number;
  oomKills: number;
  ioReadBytes?: number;
  ioWriteBytes?: number;
}

export interface AttachStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  stdinOnce: boolean;
}

export interface ExecRequest {
  process: ProcessSpec;
  stdin: boolean;
  privileged: boolean;
  detach: boolean;
}

export class Shim {
  readonly #socketPath: string;
  readonly #connection: FrameConnection;

  constructor(socketPath: string, connection: FrameConnection) {
    this.#socketPath = socketPath;
    this.#connection = connection;
  }

  /** `unavailable` when the shim is gone. */
  static async connect(runDir: string): Promise<Shim> {
    const path = join(runDir, 'shim.sock');
    return new Shim(path, await FrameConnection.open(path, 'the container', connectLimitMs));
  }

  get closed(): Promise<void> {
    return this.#connection.closed;
  }

  async state(): Promise<ShimState> {
    return (await this.#connection.request('state', {}, connectLimitMs)) as unknown as ShimState;
  }

  /** Resolves when the container has exited; rejects when the shim died without saying so. */
  async wait(): Promise<ExitRecord> {
    return (await this.#connection.request('wait', {}, 0)) as unknown as ExitRecord;
  }

  async kill(signal: number, all = false): Promise<void> {
    await this.#connection.request('kill', { signal, all }, opLimitMs);
  }

  /** Signals one exec; `not_found` when it is unknown. */
  async killExec(pid: number, signal: number): Promise<void> {
    await this.#connection.request('kill', { signal, pid }, opLimitMs);
  }

  async pause(): Promise<void> {
    await this.#connection.request('pause', {}, opLimitMs);
  }

  async resume(): Promise<void> {
    await this.#connection.request('resume', {}, opLimitMs);
  }

  async update(resources: ResourceSpec): Promise<void> {
    await this.#connection.request('update', { resources }, opLimitMs);
  }

  async stats(): Promise<ShimStats> {
    return (await this.#connection.request('stats', {}, opLimitMs)) as unknown as ShimStats;
  }

  async resize(rows: number, cols: number, pid?: number): Promise<void> {
    await this.#connection.request(
      'resize',
      { rows, cols, ...(pid === undefined ? {} : { pid }) },
      opLimitMs,
    );
  }

  /** The exit code of an exec; waits for as long as it runs, on a connection of its own: a shim keeps one wait a connection. */
  async execWait(pid: number): Promise<number> {
    const connection = await FrameConnection.open(this.#socketPath, 'the container', connectLimitMs);
    try {
      return Number((await connection.request('execWait', { pid }, 0))['exitCode']);
    } finally {
      connection.close();
    }
  }

  async attach(streams: AttachStreams): Promise<Socket> {
    return (await openStreamOp(this.#socketPath, 'attach', { ...streams })).socket;
  }

  async exec(request: ExecRequest): Promise<{ pid: number; socket: Socket }> {
    const { reply, socket } = await openStreamOp(this.#socketPath, 'exec', { ...request });
    return { pid: Number(reply['pid']), socket };
  }

  close(): void {
    this.#connection.close();
  }
}
