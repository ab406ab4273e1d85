// The router's own unix socket: health, figures, the table and an app's request log. Read by the supervisor, the controller and `berth logs`.
// Must never be reachable by anybody but its owner (0600), and never change anything.
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AppError } from '@berth/kit/errors.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';
import type { RequestLog } from './request-log.ts';

export interface AdminFacts {
  health: () => Record<string, unknown>;
  stats: () => Record<string, unknown>;
  table: () => unknown;
  log: RequestLog;
}

/** A follower that does not read gets no more lines than this many bytes ahead; then it is cut off. */
const followerBytes = 1024 * 1024;
/** A quiet follow gets an empty line, so that a reader can tell silence from a dead router. */
const keepAliveMs = 2_000;

export async function startAdminSocket(path: string, facts: AdminFacts): Promise<Server> {
  // Left by a killed router; nothing listens on it any more.
  if (existsSync(path)) unlinkSync(path);
  const server = createServer((request, response) => answer(request, response, facts));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  const before = process.umask(0o177);
  server.listen(path, resolve);
  process.umask(before);
  await promise;
  chmodSync(path, 0o600);
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse, facts: AdminFacts): void {
  const url = new URL(request.url ?? '/', 'http://router');
  if (request.method !== 'GET') {
    sendError(response, new AppError('bad_request', 'only GET is served here'));
    return;
  }
  switch (url.pathname) {
    case '/health': {
      sendJson(response, 200, facts.health());
      return;
    }
    case '/stats': {
      sendJson(response, 200, facts.stats());
      return;
    }
    case '/table': {
      sendJson(response, 200, facts.table());
      return;
    }
    case '/logs': {
      sendLogs(response, url.searchParams, facts.log);
      return;
    }
    default: {
      sendError(response, new AppError('not_found', `there is no "${url.pathname}" here`));
      return;
    }
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, error: AppError): void {
  sendJson(response, error.status, error.toBody());
}

function sendLogs(response: ServerResponse, query: URLSearchParams, log: RequestLog): void {
  const app = query.get('app');
  const lines = Number(query.get('lines') ?? 100);
  if (!app || !Number.isInteger(lines) || lines < 0) {
    sendError(
      response,
      new AppError('bad_request', 'app or lines is missing or wrong', {
        hint: 'ask for /logs?app=NAME&lines=100',
      }),
    );
    return;
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for (const line of log.lines(app, lines)) response.write(ndjsonLine(line));
  if (query.get('follow') !== '1') {
    response.end();
    return;
  }
  response.flushHeaders();
  const stop = log.follow(app, (line) => {
    if (response.writableLength > followerBytes) response.destroy();
    else response.write(ndjsonLine(line));
  });
  const keepAlive = setInterval(() => response.write('\n'), keepAliveMs);
  response.on('close', () => {
    stop();
    clearInterval(keepAlive);
  });
}
