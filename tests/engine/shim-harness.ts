/**
 * Runs berth-shim by hand, without the helper: a spec on descriptor 3, the answer on 4, frames on its socket.
 * Used by shim.test.ts; every container it makes is cleaned up by `Sandbox.close`.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nativeDir, slowness } from './config.ts';

export const shimPath = path.join(nativeDir, 'berth-shim');

export type Json = Record<string, unknown>;

export interface Started {
  ok: boolean;
  pid: number;
  startedAt: string;
  error?: { code: string; message: string };
}

export interface LogLine {
  log: string;
  stream: string;
  time: string;
}

/** One frame: a 4-byte length and JSON. */
export function frame(message: Json): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

/** A connection to a shim: its first reply, and all bytes behind it. */
export class ShimConnection {
  readonly socket: net.Socket;
  private received = Buffer.alloc(0);
  private ended = false;
  private wake: () => void = () => {};

  constructor(socketPath: string) {
    this.socket = net.connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    const finish = (): void => {
      this.ended = true;
      this.wake();
    };
    this.socket.on('end', finish);
    this.socket.on('error', finish);
    this.socket.on('close', finish);
  }

  private async until(done: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs * slowness;
    while (!done()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no answer within ${timeoutMs * slowness} ms`);
      await Promise.race([
        new Promise<void>((resolve) => (this.wake = resolve)),
        sleep(left, undefined, { ref: false }),
      ]);
    }
  }

  async readFrame(timeoutMs = 5000): Promise<Json> {
    const whole = (): boolean =>
      this.received.length >= 4 && this.received.length >= 4 + this.received.readUInt32BE(0);
    await this.until(() => whole() || this.ended, timeoutMs);
    if (!whole()) throw new Error('the connection closed before a reply');
    const length = this.received.readUInt32BE(0);
    const reply = JSON.parse(this.received.subarray(4, 4 + length).toString()) as Json;
    this.received = this.received.subarray(4 + length);
    return reply;
  }

  request(message: Json): Promise<Json> {
    this.socket.write(frame({ id: 1, ...message }));
    return this.readFrame();
  }

  /** Everything up to the end of the stream. */
  async rest(timeoutMs = 10000): Promise<Buffer> {
    await this.until(() => this.ended, timeoutMs);
    return this.received;
  }

  /** Waits until the bytes received so far contain `text`. */
  async contains(text: string, timeoutMs = 5000): Promise<void> {
    await this.until(() => this.received.includes(text) || this.ended, timeoutMs);
    if (!this.received.includes(text)) throw new Error(`ended without "${text}"`);
  }

  /** Hands over the socket to a reader of its own, with what was received behind the replies. */
  release(): net.Socket {
    this.socket.pause().removeAllListeners('data');
    if (this.received.length > 0) this.socket.unshift(this.received);
    this.received = Buffer.alloc(0);
    return this.socket;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Docker's stream frames, by type: 1 stdout, 2 stderr, 3 the exec's end. */
export function splitFrames(bytes: Buffer): Record<number, string> {
  const parts: Record<number, string> = {};
  let at = 0;
  while (at + 8 <= bytes.length) {
    const type = bytes.readUInt8(at);
    const length = bytes.readUInt32BE(at + 4);
    parts[type] = (parts[type] ?? '') + bytes.subarray(at + 8, at + 8 + length).toString();
    at += 8 + length;
  }
  return parts;
}

export class Container {
  readonly id = randomBytes(32).toString('hex');
  readonly runDir: string;
  readonly stateDir: string;
  readonly spec: Json;
  shimPid = 0;
  pid = 0;
  shimExit: Promise<number | null> = Promise.resolve(null);

  constructor(base: string, rootfs: string, overrides: Json) {
    this.runDir = path.join(base, 'run', this.id);
    this.stateDir = path.join(base, 'state', this.id);
    for (const directory of [
      this.runDir,
      `${this.stateDir}/upper`,
      `${this.stateDir}/work`,
      `${this.stateDir}/log`,
    ])
      mkdirSync(directory, { recursive: true });
    this.spec = {
      id: this.id,
      runDir: this.runDir,
      stateDir: this.stateDir,
      root: { lower: [rootfs], upper: `${this.stateDir}/upper`, work: `${this.stateDir}/work` },
      init: false,
      hostname: 'box',
      userns: { base: 100000, size: 65536 },
      network: { mode: 'none' },
      mounts: [],
      capabilities: ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID'],
      maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware', '/proc/acpi'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
      cgroup: `berth-test-${process.pid}/${this.id}`,
      resources: {},
      log: { path: `${this.stateDir}/log/current`, maxSize: 1 << 20, maxFiles: 3 },
      ...overrides,
    };
    if (!('process' in overrides)) throw new Error('a process is needed');
  }

  async start(shim = shimPath): Promise<Started> {
    const specFile = path.join(this.runDir, 'spec.json');
    writeFileSync(specFile, JSON.stringify(this.spec));
    const specFd = openSync(specFile, 'r');
    const child = spawn(shim, [this.id.slice(0, 12)], {
      stdio: ['ignore', 'ignore', 'inherit', specFd, 'pipe'],
      detached: true,
    });
    closeSync(specFd);
    this.shimPid = child.pid ?? 0;
    this.shimExit = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
    let answer = '';
    for await (const chunk of child.stdio[4] as NodeJS.ReadableStream) answer += String(chunk);
    if (!answer) throw new Error('the shim did not answer');
    const started = JSON.parse(answer) as Started;
    this.pid = started.pid;
    return started;
  }

  connect(): ShimConnection {
    return new ShimConnection(`${this.runDir}/shim.sock`);
  }

  async request(message: Json): Promise<Json> {
    const connection = this.connect();
    try {
      return await connection.request(message);
    } finally {
      connection.close();
    }
  }

  /** Waits for the end: the exit record. */
  async finished(timeoutMs = 10000): Promise<Json> {
    const deadline = Date.now() + timeoutMs * slowness;
    while (!existsSync(`${this.stateDir}/exit.json`)) {
      if (Date.now() > deadline) throw new Error('the container did not end');
      await sleep(5);
    }
    await this.shimExit;
    return JSON.parse(readFileSync(`${this.stateDir}/exit.json`, 'utf8')) as Json;
  }

  log(): LogLine[] {
    const text = readFileSync(`${this.stateDir}/log/current`, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as LogLine);
  }

  output(stream = 'stdout'): string {
    return this.log()
      .filter((line) => line.stream === stream)
      .map((line) => line.log)
      .join('');
  }

  async exec(args: string[], extra: Json = {}): Promise<{ reply: Json; parts: Record<number, string> }> {
    const connection = this.connect();
    const reply = await connection.request({
      op: 'exec',
      process: { args, env: [], cwd: '/', user: '', ...extra },
    });
    connection.socket.end();
    const parts = reply['ok'] ? splitFrames(await connection.rest()) : {};
    connection.close();
    return { reply, parts };
  }

  async stop(): Promise<void> {
    if (this.shimPid && existsSync(`${this.runDir}/shim.sock`))
      await this.request({ op: 'kill', signal: 9 }).catch(() => {});
    await Promise.race([this.shimExit, sleep(12000, undefined, { ref: false })]);
  }
}

/** A folder of containers over one root filesystem. */
export class Sandbox {
  // Short: a container's socket lies 79 bytes below it, and an address holds 107, also where TMPDIR is a folder of the test run's own.
  readonly base = mkdtempSync(path.join(tmpdir(), 's-'));
  readonly containers: Container[] = [];
  readonly rootfs: string;

  constructor(rootfs: string) {
    this.rootfs = rootfs;
  }

  /** `command` is run by the shell unless it is an argv. */
  container(command: string | string[], overrides: Json = {}, extraProcess: Json = {}): Container {
    const args = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
    const spec = { process: { args, env: [], cwd: '/', user: '', ...extraProcess }, ...overrides };
    const container = new Container(this.base, this.rootfs, spec);
    this.containers.push(container);
    return container;
  }

  /** Runs a command to its end and returns its stdout. */
  async run(command: string | string[], overrides: Json = {}, extraProcess: Json = {}): Promise<Container> {
    const container = this.container(command, overrides, extraProcess);
    const started = await container.start();
    if (!started.ok) throw new Error(`${started.error?.code}: ${started.error?.message}`);
    await container.finished();
    return container;
  }

  async close(): Promise<void> {
    await Promise.all(this.containers.map((container) => container.stop()));
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** A dead child of a dead shim is init's to reap, at its leisure. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Everything of ours that a finished container must not leave on the host. */
export function leftovers(container: Container): string[] {
  const found: string[] = [];
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  for (const root of roots) {
    const group = `${root}/${String(container.spec['cgroup'])}`;
    if (existsSync(group)) found.push(group);
  }
  if (readFileSync('/proc/self/mountinfo', 'utf8').includes(container.id)) found.push('mount');
  for (const pid of [container.shimPid, container.pid]) if (pid && isAlive(pid)) found.push(`process ${pid}`);
  if (existsSync(`${container.runDir}/shim.sock`)) found.push('socket');
  return found;
}

/** The argv of the guest program for these steps. */
export const guest = (...steps: string[]): string[] => [
  '/guest',
  ...steps.flatMap((step) => [...step.split(' '), ',']),
];

/** Starts a container that must be refused: the code and the message. */
export async function refusal(container: Container): Promise<[string, string]> {
  const started = await container.start();
  assert.equal(started.ok, false);
  await container.shimExit;
  assert.deepEqual(leftovers(container), []);
  return [started.error?.code ?? '', started.error?.message ?? ''];
}
