// A container's log as the bytes Docker's clients read: framed or raw, with times and details where asked. Used by logs and by attach.
import type { Container } from '../containers/container.ts';
import { frameOf, type LogRecord } from './log-records.ts';
import { type LogQuery, readLog } from './read-log.ts';

export interface LogStyle {
  tty: boolean;
  timestamps: boolean;
  /** "a=1,b=2 " in front of each line; "" = none. */
  /** Undefined when nobody asked for them; a line begins with a blank when there are none. */
  details: string | undefined;
}

/** Log options that name labels and variables to show with --details, as the json-file driver reads them. */
export function logDetails({ record }: Container): string {
  const { Config } = record.hostConfig.LogConfig;
  const names = (option: string) => (Config[option] ?? '').split(',').filter((name) => name !== '');
  const variables = new Map(
    record.config.Env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry] as const),
  );
  const labels = names('labels')
    .filter((name) => Object.hasOwn(record.config.Labels, name))
    .map((name) => [name, record.config.Labels[name] ?? ''] as const);
  const env = names('env').flatMap((name) => {
    const entry = variables.get(name);
    return entry === undefined ? [] : [[name, entry.slice(name.length + 1)] as const];
  });
  return [...labels, ...env]
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join(',');
}

export function logBytes({ tty, timestamps, details }: LogStyle): (record: LogRecord) => Buffer {
  const detailed = details === undefined ? '' : `${details} `;
  return ({ log, stream, time }) => {
    const payload = Buffer.from(timestamps ? `${time} ${detailed}${log}` : `${detailed}${log}`);
    return tty ? payload : frameOf(stream, payload);
  };
}

/** Chunks of bytes, oldest first; a follow ends with the container or the signal. */
export async function* logChunks(
  path: string,
  query: LogQuery,
  style: LogStyle,
  ended: Promise<unknown>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const toBytes = logBytes(style);
  for await (const records of readLog(path, query, ended, signal)) {
    if (signal.aborted) return;
    if (records.length > 0) yield Buffer.concat(records.map(toBytes));
  }
}
