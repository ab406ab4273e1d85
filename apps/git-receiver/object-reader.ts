// Reads git objects in batches through one `git cat-file`, quarantined ones too. Used by the tree count before anything is checked out.
// Must never be given an object to check out: it reads trees, commits and sizes.
import type { Readable, Writable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { endGit, type GitProcess, gitEnvironment, startGit } from './git-process.ts';

export interface GitObject {
  type: string;
  size: number;
  content: Buffer;
}

/** One answer lies in memory; trees that need more than this hold more than a million entries. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** cat-file answers within this or the disk is gone. */
const answerLimitMs = 60_000;

export class ObjectReader {
  readonly #child: GitProcess;
  readonly #input: Writable;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #limit: NodeJS.Timeout;
  #rest: Buffer = Buffer.alloc(0);

  constructor(repository: string, quarantine: string) {
    const env = gitEnvironment(0, {
      GIT_OBJECT_DIRECTORY: quarantine,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: `${repository}/objects`,
    });
    this.#child = startGit(['--git-dir', repository, 'cat-file', '--batch-command', '--buffer'], env, [
      'pipe',
      'pipe',
      'ignore',
    ]);
    this.#child.on('error', () => {}); // a git that cannot start ends its output, which the reader reports
    this.#input = this.#child.stdin as Writable;
    this.#input.on('error', () => {}); // a dead child shows as the end of its output
    this.#chunks = (this.#child.stdout as Readable)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#limit = setTimeout(() => void endGit(this.#child), answerLimitMs);
  }

  /** The objects, in the order asked. Throws `bad_request` for one that is missing or too large. */
  async contents(oids: readonly string[]): Promise<GitObject[]> {
    this.#ask('contents', oids);
    const objects: GitObject[] = [];
    let total = 0;
    for (const oid of oids) {
      const { type, size } = await this.#header(oid);
      total += size;
      if (total > maxAnswerBytes)
        throw new AppError('too_large', `folders are listed in more than ${maxAnswerBytes} bytes`);
      const content = await this.#take(size);
      await this.#take(1); // the newline behind each object
      objects.push({ type, size, content });
    }
    return objects;
  }

  /** Sizes in bytes, in the order asked. */
  async sizes(oids: readonly string[]): Promise<number[]> {
    this.#ask('info', oids);
    const sizes: number[] = [];
    for (const oid of oids) sizes.push((await this.#header(oid)).size);
    return sizes;
  }

  async close(): Promise<void> {
    clearTimeout(this.#limit);
    this.#input.end();
    (this.#child.stdout as Readable).destroy();
    await endGit(this.#child);
  }

  #ask(command: string, oids: readonly string[]): void {
    this.#input.write(`${oids.map((oid) => `${command} ${oid}\n`).join('')}flush\n`);
  }

  async #header(oid: string): Promise<{ type: string; size: number }> {
    const [, type = '', size = ''] = (await this.#line()).split(' ');
    if (!/^\d+$/.test(size)) throw new AppError('bad_request', `object "${oid}" is missing from the push`);
    return { type, size: Number(size) };
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end !== -1) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      await this.#more();
    }
  }

  async #take(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > this.#rest.length) {
      parts.push(this.#rest);
      missing -= this.#rest.length;
      this.#rest = Buffer.alloc(0);
      await this.#more();
    }
    parts.push(this.#rest.subarray(0, missing));
    this.#rest = this.#rest.subarray(missing);
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size);
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) throw new AppError('internal', 'git cat-file ended before it had answered');
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
  }
}
