// Reads objects of a repository through one `git cat-file --batch`, quarantined objects included. One instance a build.
// Must never write to the repository nor check anything out: pushed names and links are data here, never paths.
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { startCommand } from '@berth/kit/run-command.ts';

export interface GitObject {
  oid: string;
  type: 'blob' | 'tree' | 'commit' | 'tag';
  data: Buffer;
}

export interface BlobStream {
  oid: string;
  size: number;
  chunks: AsyncGenerator<Buffer>;
}

export class GitObjects {
  readonly #child: ChildProcess;
  readonly #input: ByteReader;
  /** cat-file answers in order, so requests take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(repository: string, objectDirectories: readonly string[] = []) {
    this.#child = startCommand(['git', `--git-dir=${repository}`, 'cat-file', '--batch'], {
      env: gitEnvironment(repository, objectDirectories),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    if (!this.#child.stdout) throw new AppError('internal', 'cannot start git');
    this.#child.stdin?.on('error', () => {}); // git ended: the reader sees the end of its output
    this.#child.on('error', () => this.#child.stdout?.destroy());
    this.#input = new ByteReader(this.#child.stdout);
  }

  /** Whole objects, in the order asked for. Each must be at most `maxBytes` long. */
  read(oids: readonly string[], maxBytes: number): Promise<GitObject[]> {
    return this.#inTurn(async () => {
      this.#ask(oids);
      const objects: GitObject[] = [];
      let failure: unknown;
      // An object that cannot be given must not stop the reading: the answers for the others are on their way already.
      for (const oid of oids) {
        try {
          objects.push(await this.#object(oid, maxBytes));
        } catch (error) {
          if (!(error instanceof AppError) || error.code === 'unavailable') throw error;
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
      return objects;
    });
  }

  /** Blobs one after the other; each `chunks` must be read to its end before the next is asked for. */
  async *stream(oids: readonly string[]): AsyncGenerator<BlobStream> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#turn;
    this.#turn = promise;
    await before;
    try {
      this.#ask(oids);
      for (const oid of oids) {
        const { size } = await this.#header(oid);
        yield { oid, size, chunks: this.#input.chunks(size) };
        await this.#input.bytes(1);
      }
    } finally {
      resolve();
    }
  }

  close(): void {
    this.#child.stdin?.destroy();
    this.#child.kill('SIGKILL');
  }

  #ask(oids: readonly string[]): void {
    if (oids.length > 0) this.#child.stdin?.write(`${oids.join('\n')}\n`);
  }

  async #object(oid: string, maxBytes: number): Promise<GitObject> {
    const { type, size } = await this.#header(oid);
    if (size <= maxBytes) {
      const data = await this.#input.bytes(size);
      await this.#input.bytes(1);
      return { oid, type, data };
    }
    for await (const _ of this.#input.chunks(size + 1));
    throw new AppError('too_large', `git object "${oid}" has ${size} bytes, the limit is ${maxBytes}`);
  }

  async #header(oid: string): Promise<{ type: GitObject['type']; size: number }> {
    const line = await this.#input.line();
    const match = /^[0-9a-f]+ (blob|tree|commit|tag) (\d+)$/.exec(line);
    if (!match) throw new AppError('internal', `git object "${oid}" is missing`, { detail: line });
    return { type: match[1] as GitObject['type'], size: Number(match[2]) };
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    try {
      return await work();
    } finally {
      resolve();
    }
  }
}

function gitEnvironment(repository: string, objectDirectories: readonly string[]): Record<string, string> {
  const alternates = [...objectDirectories, `${repository}/objects`].join(':');
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    // The repository belongs to the platform, whoever runs this process.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
    ...(objectDirectories.length > 0 ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: alternates } : {}),
  };
}

/** Lines and byte counts out of a stream, without holding more than what was asked for. */
class ByteReader {
  readonly #iterator: AsyncIterator<Buffer, undefined>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end !== -1) {
        const line = this.#rest.subarray(0, end).toString('utf8');
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      this.#rest = Buffer.concat([this.#rest, await this.#next()]);
    }
  }

  async bytes(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.chunks(size)) parts.push(part);
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  async *chunks(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async #next(): Promise<Buffer> {
    const { done, value } = await this.#iterator.next();
    if (done) throw new AppError('unavailable', 'git ended before it had answered');
    return value;
  }
}
