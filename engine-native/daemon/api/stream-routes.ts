// Routes that stream: attach, exec start, logs, events of one kind or another that outlive a simple answer.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerFiles } from '../containers/container-files.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { publishContainer } from '../containers/describe-event.ts';
import { DetachFilter, parseDetachKeys } from '../containers/detach-keys.ts';
import type { Exec, ExecRegistry } from '../containers/exec-registry.ts';
import type { Events } from '../events.ts';
import { JsonFields } from '../json-fields.ts';
import { frameOf, parseMoment } from '../logs/log-records.ts';
import type { LogQuery } from '../logs/read-log.ts';
import { logChunks, logDetails } from '../logs/send-log.ts';
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

const maxTimerMs = 2 ** 31 - 1;
const wholeLog: LogQuery = {
  follow: false,
  tail: undefined,
  sinceMs: undefined,
  untilMs: undefined,
  stdout: true,
  stderr: true,
};
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

async function attachUpgraded(call: UpgradeCall, { registry, events, files }: StreamParts): Promise<void> {
  const container = registry.get(param(call, 'id'));
  const { tty, streams } = attachOptions(container, call.query);
  const wants = wantedOf(call.query);
  const keys = parseDetachKeys(call.query.get('detachKeys') ?? '');
  const opening = wants.stream ? container.attach(streams) : undefined;
  // Before the start there is no stream yet, but the client starts the container only after this answer.
  acceptUpgrade(call.socket, tty);
  publishContainer(events, container, 'attach');
  if (call.head.length > 0) call.socket.unshift(call.head);
  const detach = () => {
    publishContainer(events, container, 'detach');
    call.socket.end();
  };
  try {
    if (wants.logs) await writePastLog(container, files, streams, call.socket);
    const shim = await opening;
    if (!shim) call.socket.end();
    else if (call.socket.destroyed) shim.destroy();
    else
      await bridge(call.socket, shim, {
        stdin: streams.stdin,
        passEnd: true,
        ...(tty ? { input: new DetachFilter(keys, detach) } : {}),
      });
  } catch {
    call.socket.end(); // the failed start itself is answered to whoever asked for it
  }
}

/** Without either, attach streams, as its oldest clients expect. */
function wantedOf(query: URLSearchParams): { logs: boolean; stream: boolean } {
  const logs = isSet(query, 'logs');
  return { logs, stream: isSet(query, 'stream', !logs) };
}

/** What the container has said so far. A line that comes meanwhile may be shown twice, and none is lost. */
async function writePastLog(
  container: Container,
  files: ContainerFiles,
  streams: AttachStreams,
  output: Writable,
): Promise<void> {
  if (container.record.hostConfig.LogConfig.Type === 'none') return;
  const query = { ...wholeLog, stdout: streams.stdout, stderr: streams.stderr };
  const style = { tty: container.record.config.Tty, timestamps: false, details: undefined };
  const never = new Promise(() => {});
  const { signal } = new AbortController();
  for await (const chunk of logChunks(files.logPath(container.id), query, style, never, signal))
    if (!output.write(chunk)) await drained(output);
}

function attachOptions(
  container: Container,
  query: URLSearchParams,
): { tty: boolean; streams: AttachStreams } {
  const { Tty, OpenStdin, StdinOnce } = container.record.config;
  if (container.status === 'paused')
    throw new AppError(
      'conflict',
      `container ${container.record.name} is paused, unpause the container before attach`,
    );
  const streams = {
    stdin: isSet(query, 'stdin') && OpenStdin,
    stdout: isSet(query, 'stdout'),
    stderr: isSet(query, 'stderr'),
    stdinOnce: StdinOnce && !Tty,
  };
  return { tty: Tty, streams };
}

/** Attach without an upgrade: output only, as one long body. */
async function attachPlain(call: Call, { registry, files }: StreamParts): Promise<Reply> {
  const container = registry.get(param(call, 'id'));
  const { tty, streams } = attachOptions(container, call.query);
  const wants = wantedOf(call.query);
  const opening = wants.stream ? container.attach({ ...streams, stdin: false }) : undefined;
  call.response.writeHead(200, { 'Content-Type': tty ? rawStream : multiplexedStream });
  call.response.flushHeaders();
  if (wants.logs) await writePastLog(container, files, streams, call.response);
  const shim = await opening;
  if (!shim) {
    call.response.end();
    return undefined;
  }
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
    ...(exec.process.tty
      ? { input: new DetachFilter(exec.detachKeys, () => execs.detach(exec, call.socket)) }
      : {}),
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
  const style = {
    tty: Tty,
    timestamps: isSet(query, 'timestamps'),
    details: isSet(query, 'details') ? logDetails(container) : undefined,
  };
  const signal = clientGone(response);
  response.writeHead(200, { 'Content-Type': Tty ? rawStream : multiplexedStream });
  response.flushHeaders();
  const ended = Promise.race([container.wait('not-running', signal), momentPassed(logQuery.untilMs, signal)]);
  for await (const chunk of logChunks(files.logPath(container.id), logQuery, style, ended, signal))
    if (!response.write(chunk)) await drained(response);
  response.end();
  return undefined;
}

/** A follow with an end in the future goes on until then. */
function momentPassed(untilMs: number | undefined, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (untilMs === undefined) return promise;
  const timer = setTimeout(resolve, Math.min(Math.max(0, untilMs - Date.now()), maxTimerMs));
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return promise;
}

function drained(response: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve);
  response.once('close', resolve);
  return promise;
}
