/**
 * A helper of the test's own: its process, its folders, and a client that speaks frames.
 * Used by helper-layers.test.ts and helper-host.test.ts; `close` leaves no process, file or link behind.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nativeDir } from './config.ts';

const helperPath = path.join(nativeDir, 'berth-engine-helper');
const fakeShimSource = fileURLToPath(new URL('./fake_shim.c', import.meta.url));

export type Json = Record<string, unknown>;
export interface Reply extends Json {
  id: number | null;
  ok: boolean;
  error?: { code: string; message: string };
}

export const frame = (payload: string | Buffer): Buffer => {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
};

/** One connection. `reply` takes the next frame; `rest` everything raw that follows until the end. */
export class HelperClient {
  readonly socket: net.Socket;
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  #held: Buffer = Buffer.alloc(0);
  #nextId = 1;

  constructor(socketPath: string) {
    this.socket = net.connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on('error', () => {});
    this.#chunks = this.socket[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  }

  send(op: string, fields: Json = {}): number {
    const id = this.#nextId++;
    this.socket.write(frame(JSON.stringify({ id, op, ...fields })));
    return id;
  }

  async reply(): Promise<Reply> {
    while (this.#held.length < 4 || this.#held.length < 4 + this.#held.readUInt32BE()) {
      const { value, done } = await this.#chunks.next();
      if (done) throw new Error('the helper closed the connection');
      this.#held = Buffer.concat([this.#held, value]);
    }
    const end = 4 + this.#held.readUInt32BE();
    const reply = JSON.parse(this.#held.subarray(4, end).toString()) as Reply;
    this.#held = this.#held.subarray(end);
    return reply;
  }

  async rest(): Promise<Buffer> {
    const parts = [this.#held];
    for (;;) {
      const { value, done } = await this.#chunks.next();
      if (done) return Buffer.concat(parts);
      parts.push(value);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

export class HelperFixture {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-helper-'));
  readonly run = path.join(this.folder, 'run');
  readonly root = path.join(this.folder, 'root');
  readonly socketPath = path.join(this.run, 'helper.sock');
  process!: ChildProcess;

  async open(): Promise<this> {
    mkdirSync(this.run, { mode: 0o700 });
    mkdirSync(path.join(this.root, 'layers'), { recursive: true });
    execFileSync('cc', ['-O1', '-static', '-D_GNU_SOURCE', fakeShimSource, '-o', `${this.folder}/fake-shim`]);
    await this.start();
    return this;
  }

  async start(): Promise<void> {
    const args = ['--run', this.run, '--root', this.root, '--shim', `${this.folder}/fake-shim`];
    this.process = spawn(helperPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    for (let tries = 0; tries < 500; tries++) {
      if (existsSync(this.socketPath) && (await this.#answers())) return;
      await sleep(10);
    }
    throw new Error('the helper did not answer within 5 s');
  }

  async #answers(): Promise<boolean> {
    return this.call('hello').then(
      () => true,
      () => false,
    );
  }

  /** Starts a second helper on the same folders and returns what it says before it ends. */
  async startSecond(): Promise<{ code: number | null; said: string }> {
    const args = ['--run', this.run, '--root', this.root, '--shim', `${this.folder}/fake-shim`];
    const second = spawn(helperPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    second.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const [code] = (await once(second, 'close')) as [number | null];
    return { code, said };
  }

  client(): HelperClient {
    return new HelperClient(this.socketPath);
  }

  async call(op: string, fields: Json = {}): Promise<Reply> {
    const client = this.client();
    try {
      client.send(op, fields);
      return await client.reply();
    } finally {
      client.close();
    }
  }

  /** The path of a layer folder, below ROOT. */
  layer(name: string): string {
    return path.join(this.root, 'layers', name);
  }

  async untar(name: string, archive: Buffer, fields: Json = {}): Promise<Reply> {
    const client = this.client();
    try {
      client.send('layer.untar', { dest: this.layer(name), ...fields });
      client.socket.end(archive);
      return await client.reply();
    } finally {
      client.close();
    }
  }

  async tar(name: string, fields: Json = {}): Promise<{ reply: Reply; archive: Buffer }> {
    const client = this.client();
    try {
      client.send('layer.tar', { dir: this.layer(name), ...fields });
      const reply = await client.reply();
      return { reply, archive: await client.rest() };
    } finally {
      client.close();
    }
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await this.stop('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
