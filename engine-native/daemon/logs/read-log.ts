// Reads a container's log from the shim's files: the newest `tail` lines or all, and then, if asked, what follows, across rotations.
// The files belong to the shim: this must never write to them, and a slow reader must never hold the container.
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { type LogRecord, momentMs, parseLogLine } from './log-records.ts';

const chunkBytes = 64 * 1024;
const pollMs = 250; // inotify can miss an event when a queue overflows; a follower is then late, not stuck
const maxRotations = 100;

export interface LogQuery {
  follow: boolean;
  /** Lines from the end; undefined = all. */
  tail: number | undefined;
  sinceMs: number | undefined;
  untilMs: number | undefined;
  stdout: boolean;
  stderr: boolean;
}

/** Yields batches of records, oldest first. A follow ends when `ended` resolves (after the last line) or the signal aborts. */
export async function* readLog(
  path: string,
  query: LogQuery,
  ended: Promise<unknown>,
  signal: AbortSignal,
): AsyncGenerator<LogRecord[]> {
  const wanted = (record: LogRecord) => isWanted(record, query);
  const follower = new LogFollower(path);
  try {
    yield* follower.existing(query.tail, wanted);
    if (!query.follow) return;
    const news = new LogWatch(path, ended, signal);
    try {
      for (;;) {
        const isLast = news.hasEnded; // looked at before reading, so that nothing written before the end is missed
        for (const batch of follower.more()) yield batch.filter(wanted);
        if (isLast || signal.aborted) return;
        await news.next();
      }
    } finally {
      news.close();
    }
  } finally {
    follower.close();
  }
}

function isWanted(record: LogRecord, { stdout, stderr, sinceMs, untilMs }: LogQuery): boolean {
  if (record.stream === 'stderr' ? !stderr : !stdout) return false;
  if (sinceMs === undefined && untilMs === undefined) return true;
  const at = momentMs(record.time) ?? 0;
  return (sinceMs === undefined || at >= sinceMs) && (untilMs === undefined || at <= untilMs);
}

/** A place in the chain of files current.N … current.1, current. */
class LogFollower {
  readonly #path: string;
  #fd: number | undefined;
  #inode = 0;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  *existing(tail: number | undefined, wanted: (record: LogRecord) => boolean): Generator<LogRecord[]> {
    if (tail !== undefined) {
      const records = lastRecords(this.#path, tail, wanted);
      this.#openAtEnd();
      if (records.length > 0) yield records;
      return;
    }
    this.#open(oldestFile(this.#path));
    for (const batch of this.more()) yield batch.filter(wanted);
  }

  /** Everything that has been written since. */
  *more(): Generator<LogRecord[]> {
    for (;;) {
      if (this.#fd === undefined && !this.#open(this.#path)) return;
      yield* this.#drain();
      const next = this.#nextFile();
      if (next === undefined) return;
      // Rotated between the two looks: what was appended before the rename must be read first.
      yield* this.#drain();
      this.close();
      this.#open(next);
    }
  }

  *#drain(): Generator<LogRecord[]> {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      const count = this.#fd === undefined ? 0 : readSync(this.#fd, buffer, 0, chunkBytes, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      const records = this.#cut(buffer.subarray(0, count));
      if (records.length > 0) yield records;
    }
  }

  #cut(chunk: Buffer): LogRecord[] {
    const data = Buffer.concat([this.#rest, chunk]);
    const end = data.lastIndexOf(10);
    this.#rest = Buffer.from(data.subarray(end + 1));
    return end < 0 ? [] : parseLines(data.subarray(0, end).toString('utf8'));
  }

  /** The file written after ours, when ours is not `current` any more. */
  #nextFile(): string | undefined {
    let newer = this.#path;
    for (let number = 0; number <= maxRotations; number++) {
      const candidate = number === 0 ? this.#path : `${this.#path}.${number}`;
      const inode = inodeOf(candidate);
      if (inode === this.#inode) return number === 0 ? undefined : newer;
      if (inode === undefined) return number === 0 ? undefined : oldestFile(this.#path);
      newer = candidate;
    }
    return undefined;
  }

  #openAtEnd(): void {
    if (this.#open(this.#path) && this.#fd !== undefined) this.#offset = lastLineEnd(this.#fd);
  }

  #open(path: string): boolean {
    try {
      this.#fd = openSync(path, 'r');
    } catch {
      return false;
    }
    this.#inode = fstatSync(this.#fd).ino;
    this.#offset = 0;
    this.#rest = Buffer.alloc(0);
    return true;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Wakes a follower when its file changes, at the latest after the poll time. */
class LogWatch {
  readonly #signal: AbortSignal;
  #watcher: ReturnType<typeof watch> | undefined;
  #wake: () => void = () => {};
  #changed = false;
  hasEnded = false;

  constructor(path: string, ended: Promise<unknown>, signal: AbortSignal) {
    this.#signal = signal;
    const touch = () => {
      this.#changed = true;
      this.#wake();
    };
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, touch);
      this.#watcher.on('error', () => {}); // polling goes on
    } catch {
      // out of inotify watches: polling alone
    }
    signal.addEventListener('abort', touch, { once: true });
    void ended.then(() => {
      this.hasEnded = true;
      touch();
    });
  }

  async next(): Promise<void> {
    if (this.#changed || this.#signal.aborted) {
      this.#changed = false;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, pollMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

function parseLines(text: string): LogRecord[] {
  return text.split('\n').flatMap((line) => parseLogLine(line) ?? []);
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function oldestFile(path: string): string {
  let oldest = path;
  for (let number = 1; number <= maxRotations && inodeOf(`${path}.${number}`) !== undefined; number++)
    oldest = `${path}.${number}`;
  return oldest;
}

/** The last `count` records that are wanted, read backwards from the newest file, oldest first. */
function lastRecords(path: string, count: number, wanted: (record: LogRecord) => boolean): LogRecord[] {
  const found: LogRecord[] = [];
  for (let number = 0; number <= maxRotations && found.length < count; number++) {
    const file = number === 0 ? path : `${path}.${number}`;
    if (inodeOf(file) === undefined) break;
    for (const record of backwards(file)) {
      if (found.length >= count) break;
      if (wanted(record)) found.push(record);
    }
  }
  return found.reverse();
}

/** Records of one file, newest first. */
function* backwards(path: string): Generator<LogRecord> {
  const fd = openSync(path, 'r');
  try {
    let end = lastLineEnd(fd);
    let rest: Buffer = Buffer.alloc(0);
    while (end > 0) {
      const start = Math.max(0, end - chunkBytes);
      const chunk = Buffer.allocUnsafe(end - start);
      readSync(fd, chunk, 0, chunk.length, start);
      const data = Buffer.concat([chunk, rest]);
      const cut = start === 0 ? 0 : data.indexOf(10) + 1;
      rest = Buffer.from(data.subarray(0, cut));
      yield* parseLines(data.subarray(cut).toString('utf8')).reverse();
      end = start;
    }
  } finally {
    closeSync(fd);
  }
}

/** Where the last whole line ends: the shim may be in the middle of the next one. */
function lastLineEnd(fd: number): number {
  let end = fstatSync(fd).size;
  const buffer = Buffer.allocUnsafe(chunkBytes);
  while (end > 0) {
    const start = Math.max(0, end - chunkBytes);
    const count = readSync(fd, buffer, 0, end - start, start);
    const at = buffer.subarray(0, count).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
