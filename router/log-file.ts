// The request log on disk: lines gathered in memory, written in one call, rotated by size. Owned by main.
// Must never delay a request or grow without end: when the disk is slow or full, lines are dropped and counted.
import { close, open, rename, stat, write } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const renameFile = promisify(rename);
const closeFile = promisify(close);
const statFile = promisify(stat);

const lineFeed = 0x0a;
const bufferBytes = 64 * 1024;
/** Buffers waiting for the disk; more are dropped. */
const mostWaiting = 16;
/** A line is on disk this soon, for a reader who follows the file. */
const flushMs = 200;

export class LogFile {
  droppedLines = 0;
  readonly #path: string;
  readonly #rotateBytes: number;
  #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;
  #lines = 0;
  #waiting: { bytes: Buffer; lines: number }[] = [];
  #working: Promise<void> | undefined;
  #fd = -1;
  #written = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(path: string, rotateBytes = 64 * 1024 * 1024) {
    this.#path = path;
    this.#rotateBytes = rotateBytes;
    this.#timer = setInterval(() => this.#flush(), flushMs).unref();
  }

  /** Takes one line, without its end. */
  write(line: string): void {
    // latin1: the formatter leaves only ASCII, so one character is one byte.
    if (this.#used + line.length >= bufferBytes) this.#flush();
    if (line.length >= bufferBytes) return;
    this.#used += this.#buffer.write(line, this.#used, 'latin1');
    this.#buffer[this.#used++] = lineFeed;
    this.#lines++;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    await this.#working;
    if (this.#fd >= 0) await closeFile(this.#fd);
    this.#fd = -1;
  }

  #flush(): void {
    if (this.#used === 0) return;
    if (this.#waiting.length >= mostWaiting) this.droppedLines += this.#lines;
    else {
      this.#waiting.push({ bytes: this.#buffer.subarray(0, this.#used), lines: this.#lines });
      this.#buffer = Buffer.allocUnsafeSlow(bufferBytes);
    }
    this.#used = 0;
    this.#lines = 0;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      try {
        await this.#append(next.bytes);
      } catch {
        this.droppedLines += next.lines;
      }
      this.#waiting.shift();
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#fd < 0) {
      this.#fd = await openFile(this.#path, 'a', 0o640);
      this.#written = (await statFile(this.#path)).size;
    }
    if (this.#written >= this.#rotateBytes) {
      await closeFile(this.#fd);
      this.#fd = -1;
      await renameFile(this.#path, `${this.#path}.1`);
      this.#fd = await openFile(this.#path, 'a', 0o640);
      this.#written = 0;
    }
    for (let done = 0; done < bytes.length; ) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      write(this.#fd, bytes, done, bytes.length - done, null, (error, count) =>
        error ? reject(error) : resolve(count),
      );
      done += await promise;
    }
    this.#written += bytes.length;
  }
}
