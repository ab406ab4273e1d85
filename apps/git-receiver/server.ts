// The HTTP server of the receiver: parse, authorise, hand over, and answer every error in words git shows to its user.
// Called by main.ts. Must never touch a repository before the controller has allowed the request.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { type DeployRequest, type GitRequest, parseDeployRequest, parseGitRequest } from './git-request.ts';
import { receiveDeploy } from './receive-deploy.ts';
import { receivePack } from './receive-pack.ts';
import type { Receiver } from './receiver.ts';
import { noCache } from './response-stream.ts';
import { advertiseRefs, uploadPack } from './upload-pack.ts';

export function createGitServer(receiver: Receiver): Server {
  const server = createServer({ requestTimeout: 0, headersTimeout: 30_000 }, (request, response) => {
    response.on('error', () => {}); // the client left; the handlers see `close`
    request.on('error', () => {});
    handle(receiver, request, response).catch((error: unknown) =>
      answerError(receiver, request, response, error),
    );
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
  return server;
}

async function handle(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const wanted = parseAuthorized(request);
  const authorization = request.headers.authorization ?? null;
  const service = wanted.kind === 'deploy' ? 'git-receive-pack' : wanted.service;
  const grant = await receiver.controller.authorize(authorization, wanted.app, service);
  receiver.checkRoom();
  if (wanted.kind === 'deploy') return receiveDeploy(receiver, grant, wanted, request, response);
  if (wanted.kind === 'advertise') return advertiseRefs(receiver, grant, wanted.service, request, response);
  if (wanted.service === 'git-receive-pack') return receivePack(receiver, grant, request, response);
  return uploadPack(receiver, grant, request, response);
}

/** Without credentials nobody learns which paths exist; git asks for them when it is told 401. */
function parseAuthorized(request: IncomingMessage): GitRequest | DeployRequest {
  if (request.headers.authorization === undefined || request.headers.authorization === '')
    throw new AppError('unauthorized', 'log in first', {
      hint: 'run "berth login", or give a token as the password',
    });
  const [method, target] = [request.method ?? 'GET', request.url ?? '/'];
  return parseDeployRequest(method, target) ?? parseGitRequest(method, target);
}

function answerError(
  receiver: Receiver,
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
): void {
  const error = asAppError(thrown);
  if (error.code === 'internal')
    receiver.log.error({ err: thrown, path: request.url }, 'request failed inside');
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (parseDeployRequest(request.method ?? '', request.url ?? '/')) {
    answerJson(error, response);
    return;
  }
  const text =
    error.code === 'internal' ? ['a fault of the platform; try again'] : [error.message, error.hint];
  const body = `${text.filter((line) => line !== undefined && line !== '').join('\n')}\n`;
  response.writeHead(error.status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...noCache,
    ...(error.status === 401 ? { 'www-authenticate': 'Basic realm="berth"' } : {}),
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(body);
}

/** The API's own shape of an error. What is left of the body is read and dropped: a closed connection would swallow the answer. */
function answerJson(error: AppError, response: ServerResponse): void {
  const said =
    error.code === 'internal' ? new AppError('internal', 'a fault of the platform; try again') : error;
  const body = JSON.stringify(said.toBody());
  response.writeHead(error.status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...noCache,
  });
  response.end(body);
}
