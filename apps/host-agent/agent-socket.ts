// The agent's own unix socket: logs of an app and attaching to one-off runs. Only the controller connects to it (mode 0600).
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { agentPaths, type LogLine } from '@berth/contract/log.ts';
import { runFrames } from '@berth/contract/run.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';
import type { AttachDesk } from './attach-desk.ts';
import { encodeFrame } from './attach-frames.ts';
import type { EngineWatch } from './engine-watch.ts';
import type { PodEngine } from './pod-engine.ts';
import { readLogs } from './read-logs.ts';

export interface AgentSocketOptions {
  path: string;
  engine: PodEngine;
  watch: EngineWatch;
  desk: AttachDesk;
  log: Logger;
}

const defaultLines = 100;
const maxLines = 10_000;
/** Blank lines show the reader that a quiet log is alive. */
const keepAliveMs = 2_000;

export async function serveAgentSocket(options: AgentSocketOptions): Promise<{ close: () => void }> {
  const { path, log } = options;
  const server = createServer((request, response) => {
    handle(request, response, options).catch((err: unknown) => {
      log.warn({ err }, 'request on the agent socket failed');
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => attach(request, socket, head, options));
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: AgentSocketOptions,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://agent');
  if (request.method === 'GET' && url.pathname === agentPaths.logs)
    return sendLogs(url.searchParams, response, options);
  sendError(response, new AppError('not_found', `there is nothing at "${url.pathname}"`));
}

async function sendLogs(
  query: URLSearchParams,
  response: ServerResponse,
  { engine, watch }: AgentSocketOptions,
): Promise<void> {
  const appId = query.get('app') ?? '';
  const lines = Number(query.get('lines') ?? defaultLines);
  if (appId === '' || !Number.isInteger(lines) || lines < 0)
    return sendError(response, new AppError('bad_request', 'logs need "app" and a whole number of "lines"'));
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write('\n'), keepAliveMs);
  const write = async (line: LogLine) => {
    if (gone.signal.aborted || response.write(ndjsonLine(line))) return;
    await drained(response, gone.signal);
  };
  try {
    await readLogs(
      {
        appId,
        lines: Math.min(lines, maxLines),
        process: query.get('process') || undefined,
        follow: query.get('follow') === '1',
      },
      { engine, watch, signal: gone.signal, write },
    );
  } catch {
    response.destroy(); // the head is out: a cut stream tells the reader that this is not the whole log
  } finally {
    clearInterval(keepAlive);
    response.end();
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const finish = () => {
    response.off('drain', finish);
    signal.removeEventListener('abort', finish);
    resolve();
  };
  response.on('drain', finish);
  signal.addEventListener('abort', finish);
  return promise;
}

function sendError(response: ServerResponse, error: AppError): void {
  response.writeHead(error.status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(error.toBody()));
}

function attach(request: IncomingMessage, socket: Duplex, head: Buffer, { desk }: AgentSocketOptions): void {
  const url = new URL(request.url ?? '/', 'http://agent');
  const instanceId = url.searchParams.get('instance');
  socket.on('error', () => {}); // a user who leaves; 'close' follows
  if (url.pathname !== agentPaths.attach || !instanceId) {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: berth-stream\r\n\r\n');
  if (head.length > 0) socket.unshift(head);
  desk.bringUser(instanceId, socket, () => {
    const message = 'the run did not reach its host in time';
    socket.end(encodeFrame(runFrames.exit, JSON.stringify({ exitCode: 1, message })));
  });
}
