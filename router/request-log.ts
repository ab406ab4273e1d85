// One logfmt line a request, in the shape Heroku's router gives it: to the log file and to the app's last lines, which `berth logs` reads.
// Must never hold a header's value besides host and request id; bounded in lines, apps and bytes.

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

const linesPerApp = 200;
const mostApps = 2000;
/** Beyond this, an app's ring stops growing at the few lines below. */
const mostBytes = 32 * 1024 * 1024;
const fewLines = 20;

class Ring {
  lines: LogLine[] = [];
  next = 0;

  /** Adds a line; gives the bytes it added or freed. */
  add(line: LogLine, mayGrow: boolean): number {
    if (this.lines.length < (mayGrow ? linesPerApp : fewLines)) {
      this.lines.push(line);
      return line.message.length;
    }
    if (this.next >= this.lines.length) this.next = 0;
    const old = this.lines[this.next];
    this.lines[this.next++] = line;
    return line.message.length - (old?.message.length ?? 0);
  }

  inOrder(): LogLine[] {
    return [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)];
  }
}

export class RequestLog {
  readonly #rings = new Map<string, Ring>();
  readonly #followers = new Set<{ app: string; take: (line: LogLine) => void }>();
  readonly #file: LineSink | undefined;
  #bytes = 0;
  #second = 0;
  #secondText = '';

  constructor(file?: LineSink) {
    this.#file = file;
  }

  add(app: AppTraffic | undefined, record: RequestRecord, now = Date.now()): void {
    const message = formatRecord(record);
    const time = this.#timeText(now);
    this.#file?.write(app ? `${time} app=${app.name} ${message}\n` : `${time} ${message}\n`);
    if (!app) return;
    const line = { time, app: app.name, message };
    this.#bytes += this.#ring(app.name).add(line, this.#bytes < mostBytes);
    for (const follower of this.#followers) if (follower.app === app.name) follower.take(line);
  }

  /** The last lines of an app, oldest first. */
  lines(app: string, count: number): LogLine[] {
    if (count <= 0) return [];
    return this.#rings.get(app)?.inOrder().slice(-count) ?? [];
  }

  /** Calls `take` for every new line of the app until the returned function is called. */
  follow(app: string, take: (line: LogLine) => void): () => void {
    const follower = { app, take };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #ring(app: string): Ring {
    let ring = this.#rings.get(app);
    if (ring) return ring;
    const oldest = this.#rings.size >= mostApps ? this.#rings.entries().next().value : undefined;
    if (oldest) {
      this.#rings.delete(oldest[0]);
      for (const line of oldest[1].lines) this.#bytes -= line.message.length;
    }
    ring = new Ring();
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
