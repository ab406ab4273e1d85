// Routes that stream: attach, exec start, logs, events of one kind or another that outlive a simple answer.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerFiles } from '../containers/container-files.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { publishContainer } from '../containers/describe-event.ts';
import type { Exec, ExecRegistry } from '../containers/exec-registry.ts';
import type { Events } from '../events.ts';
import { JsonFields } from '../json-fields.ts';
import { frameOf, type LogRecord, parseMoment } from '../logs/log-records.ts';
import { readLog } from '../logs/read-log.ts';
import { startFailureText } from '../runtime/runtime-failure.ts';
import type { AttachStreams } from '../runtime/shim.ts';
import {
  type Call,
  clientGone,
  isSet,
  numberOf,
  param,
  parseBody,
  type Reply,
  type Route,
  readJsonBody,
  type UpgradeCall,
  type UpgradeRoute,
} from './route.ts';
import { acceptUpgrade, bridge, ExitFrameFilter, multiplexedStream, rawStream } from './stream-bridge.ts';

export interface StreamParts {
  registry: ContainerRegistry;
  files: ContainerFiles;
  execs: ExecRegistry;
  events: Events;
}

const exitCodeLimitMs = 2_000; // the code follows the last byte at once; a lost one must not hold the stream open

export function streamRoutes(parts: StreamParts): { routes: Route[]; upgrades: UpgradeRoute[] } {
  return {
    routes: [
      { method: 'GET', pattern: '/containers/:id/logs', handle: (call) => sendLogs(call, parts) },
      { method: 'POST', pattern: '/containers/:id/attach', handle: (call) => attachPlain(call, parts) },
      { method: 'POST', pattern: '/exec/:id/start', handle: (call) => startExecPlain(call, parts) },
    ],
    upgrades: [
      { pattern: '/containers/:id/attach', handle: (call) => attachUpgraded(call, parts) },
      { pattern: '/exec/:id/start', handle: (call) => startExecUpgraded(call, parts) },
    ],
  };
}

async function attachUpgraded(call: UpgradeCall, { registry, events }: StreamParts): Promise<void> {
  const container = registry.get(param(call, 'id'));
  const { tty, streams } = attachOptions(container, call.query);
  const opening = container.attach(streams);
  // Before the start there is no stream yet, but the client starts the container only after this answer.
  acceptUpgrade(call.socket, tty);
  publishContainer(events, container, 'attach');
  if (call.head.length > 0) call.socket.unshift(call.head);
  try {
    const shim = await opening;
    if (call.socket.destroyed) shim.destroy();
    else await bridge(call.socket, shim, { stdin: streams.stdin, passEnd: true });
  } catch {
    call.socket.end(); // the failed start itself is answered to whoever asked for it
  }
}

function attachOptions(
  container: Container,
  query: URLSearchParams,
): { tty: boolean; streams: AttachStreams } {
  const { Tty, OpenStdin, StdinOnce } = container.record.config;
  if (container.status === 'paused')
    throw new AppError('conflict', `container "${container.record.name}" is paused`, {
      hint: 'unpause it first',
    });
  const streams = {
    stdin: isSet(query, 'stdin') && OpenStdin,
    stdout: isSet(query, 'stdout'),
    stderr: isSet(query, 'stderr'),
    stdinOnce: StdinOnce && !Tty,
  };
  return { tty: Tty, streams };
}

/** Attach without an upgrade: output only, as one long body. */
async function attachPlain(call: Call, { registry }: StreamParts): Promise<Reply> {
  const container = registry.get(param(call, 'id'));
  const { tty, streams } = attachOptions(container, call.query);
  const opening = container.attach({ ...streams, stdin: false });
  call.response.writeHead(200, { 'Content-Type': tty ? rawStream : multiplexedStream });
  call.response.flushHeaders();
  const shim = await opening;
  call.response.on('close', () => shim.destroy());
  shim.pipe(call.response);
  return undefined;
}

async function startExecUpgraded(call: UpgradeCall, { execs }: StreamParts): Promise<void> {
  const exec = execs.get(param(call, 'id'));
  const options = readStartOptions(await readUpgradeBody(call));
  applySize(exec, options.size);
  acceptUpgrade(call.socket, exec.process.tty);
  let shim: Socket;
  try {
    shim = await execs.start(exec, options.detach);
  } catch (error) {
    // The answer is a stream by now, so the reason goes into it, as Docker does.
    const line = Buffer.from(`${startFailureText(error)}\r\n`);
    call.socket.end(exec.process.tty ? line : frameOf('stderr', line));
    return;
  }
  await bridge(call.socket, shim, {
    stdin: exec.attachStdin,
    passEnd: !exec.process.tty,
    ...(exec.process.tty ? {} : { through: exitFilter(exec, execs) }),
    beforeEnd: () => exitCodeKnown(exec),
  });
}

async function startExecPlain(call: Call, { execs }: StreamParts): Promise<Reply> {
  const exec = execs.get(param(call, 'id'));
  const { detach, size } = readStartOptions(await readJsonBody(call.request));
  applySize(exec, size);
  const shim = await execs.start(exec, detach);
  shim.on('error', () => shim.destroy());
  if (detach) {
    shim.resume();
    shim.on('end', () => shim.destroy());
    return { status: 204 };
  }
  const { response } = call;
  response.writeHead(200, { 'Content-Type': exec.process.tty ? rawStream : multiplexedStream });
  response.flushHeaders();
  response.on('close', () => shim.destroy());
  const output = exec.process.tty ? shim : shim.pipe(exitFilter(exec, execs));
  output.pipe(response, { end: false });
  output.on('end', () => void exitCodeKnown(exec).finally(() => response.end()));
  return undefined;
}

function exitFilter(exec: Exec, execs: ExecRegistry): ExitFrameFilter {
  return new ExitFrameFilter((exitCode) => execs.finish(exec, exitCode));
}

/** Clients ask for the exit code as soon as the stream ends; it must be there by then. */
async function exitCodeKnown(exec: Exec): Promise<void> {
  const deadline = performance.now() + exitCodeLimitMs;
  while (exec.exitCode === null && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 2));
}

function readStartOptions(body: unknown): { detach: boolean; size: number[] } {
  const fields = new JsonFields(body);
  return {
    detach: fields.flag('Detach') ?? false,
    size: (fields.raw()['ConsoleSize'] as number[] | null | undefined) ?? [],
  };
}

function applySize(exec: Exec, [rows, cols]: number[]): void {
  if (!rows || !cols) return;
  exec.process.rows = rows;
  exec.process.cols = cols;
}

/** Node hands an upgraded request's body over as part of the stream: it has to be cut off by its length. */
async function readUpgradeBody({ request, socket, head }: UpgradeCall): Promise<unknown> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > 65_536) throw new AppError('too_large', 'the body is too long');
  let data = head;
  while (data.length < length) {
    const chunk = (socket.read() as Buffer | null) ?? undefined;
    if (chunk) data = Buffer.concat([data, chunk]);
    else if (socket.readableEnded || socket.destroyed)
      throw new AppError('bad_request', 'the body is cut short');
    else await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
  if (data.length > length) socket.unshift(data.subarray(length));
  return parseBody(data.subarray(0, length));
}

async function sendLogs(call: Call, { registry, files }: StreamParts): Promise<Reply> {
  const { query, response } = call;
  const container = registry.get(param(call, 'id'));
  const tail = query.get('tail');
  const logQuery = {
    follow: isSet(query, 'follow'),
    tail: tail === null || tail === '' || tail === 'all' ? undefined : (numberOf(query, 'tail') ?? 0),
    sinceMs: parseMoment(query.get('since')),
    untilMs: parseMoment(query.get('until')),
    stdout: isSet(query, 'stdout'),
    stderr: isSet(query, 'stderr'),
  };
  if (!logQuery.stdout && !logQuery.stderr)
    throw new AppError('bad_request', 'neither stdout nor stderr was asked for', {
      hint: 'add stdout=1 or stderr=1',
    });
  if (container.record.hostConfig.LogConfig.Type === 'none')
    throw new AppError('unsupported', 'configured logging driver does not support reading');
  const { Tty } = container.record.config;
  const toBytes = logWriter(Tty, isSet(query, 'timestamps'));
  const signal = clientGone(response);
  response.writeHead(200, { 'Content-Type': Tty ? rawStream : multiplexedStream });
  response.flushHeaders();
  const ended = container.wait('not-running', signal);
  for await (const records of readLog(files.logPath(container.id), logQuery, ended, signal)) {
    if (signal.aborted) break;
    if (records.length > 0 && !response.write(Buffer.concat(records.map(toBytes)))) await drained(response);
  }
  response.end();
  return undefined;
}

function logWriter(tty: boolean, timestamps: boolean): (record: LogRecord) => Buffer {
  return ({ log, stream, time }) => {
    const payload = Buffer.from(timestamps ? `${time} ${log}` : log);
    return tty ? payload : frameOf(stream, payload);
  };
}

function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve);
  response.once('close', resolve);
  return promise;
}
