// Records of a container's log file: Docker's json-file lines as written by the shim. Pure.

export interface LogRecord {
  log: string;
  stream: 'stdout' | 'stderr';
  time: string;
}

export function parseLogLine(line: string): LogRecord | undefined {
  try {
    const record = JSON.parse(line) as Partial<LogRecord>;
    if (typeof record.log !== 'string' || typeof record.time !== 'string') return undefined;
    return { log: record.log, stream: record.stream === 'stderr' ? 'stderr' : 'stdout', time: record.time };
  } catch {
    return undefined; // half a line after a power loss
  }
}

/** One frame of Docker's multiplexed streams: type, three zeros, length, bytes. */
export function frameOf(stream: 'stdout' | 'stderr', payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(8 + payload.length);
  frame.fill(0, 0, 4);
  frame[0] = stream === 'stderr' ? 2 : 1;
  frame.writeUInt32BE(payload.length, 4);
  payload.copy(frame, 8);
  return frame;
}

/**
 * Seconds with an optional fraction, RFC 3339, or a duration before now (1h30m), as `since` and `until` are written; in milliseconds, with
 * what is below them as a fraction, so that the time of one line can be told from the next. undefined: not given, or no time.
 */
export function parseMoment(raw: string | null, nowMs = Date.now()): number | undefined {
  if (raw === null || raw === '' || raw === '0') return undefined;
  const seconds = /^(-?\d+)(?:\.(\d+))?$/.exec(raw);
  if (seconds) return Number(seconds[1]) * 1000 + fractionMs(seconds[2]);
  const ago = durationMs(raw);
  return ago === undefined ? momentMs(raw) : nowMs - ago;
}

/** RFC 3339 to milliseconds with a fraction. */
export function momentMs(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d)?)?)?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!match) return undefined;
  const [, base = '', fraction, zone = ''] = match;
  const whole = base.length === 13 ? `${base}:00` : base;
  const parsed = Date.parse(`${whole}${whole.length > 10 ? zone : ''}`);
  return Number.isNaN(parsed) ? undefined : parsed + fractionMs(fraction);
}

function fractionMs(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(`0.${digits}`) * 1000;
}

const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 };

/** Go's durations: 24h, 1h30m, 1.5s. */
function durationMs(raw: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(raw)) return undefined;
  return [...raw.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)/g)].reduce(
    (sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0),
    0,
  );
}
