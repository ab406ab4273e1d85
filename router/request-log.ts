// One logfmt line a request, in the shape Heroku's router gives it: to the log file and to the app's last lines, which `berth logs` reads.
// Must never hold a header's value besides host and request id; bounded in lines, apps and bytes.

import { LineRing } from './line-ring.ts';
import { type OutcomeCode, outcomes } from './outcomes.ts';
import type { AppTraffic } from './table.ts';

export interface RequestRecord {
  code: OutcomeCode | '';
  method: string;
  path: string;
  host: string;
  requestId: string;
  address: string;
  instance: string;
  connectMs: number;
  serviceMs: number;
  status: number;
  bytes: number;
  isWebSocket: boolean;
}

export interface LogLine {
  time: string;
  app: string;
  message: string;
}

export interface LineSink {
  /** Takes one line, without its end. */
  write(line: string): void;
}

const longestPath = 2048;
const needsEscape = /[^\x21\x23-\x5b\x5d-\x7e]/;

/** A value between quotes: a quote, a backslash, a space or a byte beyond ASCII becomes %XX, as it would in a URL. */
function quoted(value: string): string {
  const short = value.length > longestPath ? `${value.slice(0, longestPath)}...` : value;
  if (!needsEscape.test(short)) return short;
  return short.replace(
    new RegExp(needsEscape, 'g'),
    (mark) => `%${mark.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
}

export function formatRecord(record: RequestRecord): string {
  const { code, status, instance, connectMs } = record;
  const start = code === '' ? 'at=info' : failure(code);
  const target = instance === '' ? 'instance= connect=' : `instance=${instance} connect=${connectMs}ms`;
  return `${start} method=${record.method} path="${quoted(record.path)}" host=${record.host} request_id=${record.requestId} fwd="${record.address}" ${target} service=${record.serviceMs}ms status=${status} bytes=${record.bytes} protocol=${record.isWebSocket ? 'ws' : 'http'}`;
}

function failure(code: OutcomeCode): string {
  const level = outcomes[code].status < 500 ? 'warning' : 'error';
  return `at=${level} code=${code} desc="${outcomes[code].about}"`;
}

const mostApps = 2000;
/**
 * For all rings together; beyond it they stop growing and drop old lines sooner. 180 busy apps keep all their 200 lines; more memory
 * would keep more, but every request writes to its app's ring, and memory that no cache holds costs each request microseconds.
 */
const mostBytes = 12 * 1024 * 1024;
/** So many lines are made at once, or after this time: a reader of the file waits that long. */
const batchLines = 256;
const batchMs = 50;
/** `2026-01-02T03:04:05.678Z`. */
const timeLength = 24;

export class RequestLog {
  readonly #rings = new Map<string, LineRing>();
  readonly #followers = new Set<{ app: string; take: (line: LogLine) => void }>();
  readonly #file: LineSink | undefined;
  /** Requests whose lines are not made yet, in three rows. */
  readonly #apps: (AppTraffic | undefined)[] = [];
  readonly #records: RequestRecord[] = [];
  readonly #times: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  #second = 0;
  #secondText = '';

  constructor(file?: LineSink) {
    this.#file = file;
  }

  /** Takes a request's facts; its line is made with others soon after, because many at once cost a third of one by one. */
  add(app: AppTraffic | undefined, record: RequestRecord, now = Date.now()): void {
    this.#apps.push(app);
    this.#records.push(record);
    this.#times.push(now);
    if (this.#records.length >= batchLines || this.#followers.size > 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), batchMs).unref();
  }

  /** Makes the lines of all requests taken so far. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [i, record] of this.#records.entries())
      this.#write(this.#apps[i], record, this.#times[i] as number);
    this.#apps.length = 0;
    this.#records.length = 0;
    this.#times.length = 0;
  }

  #write(app: AppTraffic | undefined, record: RequestRecord, now: number): void {
    const time = this.#timeText(now);
    const message = formatRecord(record);
    if (!app) {
      this.#file?.write(`${time} ${message}`);
      return;
    }
    const line = `${time} app=${app.name} ${message}`;
    this.#file?.write(line);
    const ring = this.#ring(app.name);
    const before = ring.capacity;
    ring.add(line, this.#bytes < mostBytes);
    this.#bytes += ring.capacity - before;
    for (const follower of this.#followers)
      if (follower.app === app.name) follower.take({ time, app: app.name, message });
  }

  /** The last lines of an app, oldest first. */
  lines(app: string, count: number): LogLine[] {
    this.flush();
    const ring = this.#rings.get(app);
    if (!ring || count <= 0) return [];
    const messageStart = timeLength + ' app='.length + app.length + 1;
    return ring
      .last(count)
      .map((line) => ({ time: line.slice(0, timeLength), app, message: line.slice(messageStart) }));
  }

  /** Calls `take` for every new line of the app until the returned function is called. */
  follow(app: string, take: (line: LogLine) => void): () => void {
    this.flush();
    const follower = { app, take };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #ring(app: string): LineRing {
    let ring = this.#rings.get(app);
    if (ring) return ring;
    const oldest = this.#rings.size >= mostApps ? this.#rings.entries().next().value : undefined;
    if (oldest) {
      this.#rings.delete(oldest[0]);
      this.#bytes -= oldest[1].capacity;
    }
    ring = new LineRing();
    this.#bytes += ring.capacity;
    this.#rings.set(app, ring);
    return ring;
  }

  /** ISO time with milliseconds; the date part is made once a second. */
  #timeText(now: number): string {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    return `${this.#secondText}${String(now - second * 1000).padStart(3, '0')}Z`;
  }
}
