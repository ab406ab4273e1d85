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

/** Seconds with an optional fraction, or RFC 3339, as `since` and `until` are written; in milliseconds. */
export function parseMoment(raw: string | null): number | undefined {
  if (raw === null || raw === '' || raw === '0') return undefined;
  if (/^-?\d+(\.\d+)?$/.test(raw)) return Number(raw) * 1000;
  const parsed = Date.parse(raw);
  return Number.isNaN(parsed) ? undefined : parsed;
}
