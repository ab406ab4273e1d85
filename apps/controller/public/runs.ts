// Public endpoints: one-off runs. The terminal itself is an upgraded connection that is passed to the host's agent.

import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { agentPaths } from '@berth/contract/log.ts';
import { StartedRun, StartRun } from '@berth/contract/run.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { hostById } from '@berth/store/queries/hosts.ts';
import { instanceById } from '@berth/store/queries/instances.ts';
import type { Static } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { authenticate, authorizeApp } from '../authenticate.ts';
import { startRun } from '../operations/start-run.ts';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

/** The scheduler places a run within milliseconds; longer means that it is away. */
const placeLimitMs = 10_000;
const attachPath = /^\/v1\/apps\/([a-z][a-z0-9-]*)\/runs\/([0-9a-f]+)\/attach$/;

export function runEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  server.post<{ Body: Static<typeof StartRun> }>(
    '/v1/apps/:app/runs',
    {
      schema: {
        summary: 'Start a one-off run; attach to it within 30 s',
        params: appParams,
        body: StartRun,
        response: { 201: StartedRun },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      return reply.code(201).send(await startRun(services, request.user, app.id, request.body));
    },
  );
  server.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    attach(services, request, socket, head).catch((error: unknown) => refuse(socket, asAppError(error)));
  });
}

async function attach(
  services: Services,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> {
  const match = attachPath.exec((request.url ?? '').split('?')[0] ?? '');
  const [, name, id] = match ?? [];
  if (!name || !id || request.headers.upgrade !== 'berth-stream')
    throw new AppError('not_found', 'only a run can be attached to');
  const user = await authenticate(services.db, request.headers.authorization);
  const app = await authorizeApp(services.db, user, name);
  const agentSocket = await waitForHost(services, app.id, id);
  const upstream = connect(agentSocket);
  upstream.on('error', () =>
    refuse(socket, new AppError('unavailable', 'the agent of the host cannot be reached')),
  );
  upstream.on('connect', () => {
    upstream.write(
      `GET ${agentPaths.attach}?instance=${id} HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: berth-stream\r\n\r\n`,
    );
    if (head.length > 0) upstream.write(head);
    upstream.pipe(socket);
    socket.pipe(upstream);
  });
  socket.on('close', () => upstream.destroy());
  upstream.on('close', () => socket.destroySoon());
}

async function waitForHost(services: Services, appId: string, id: string): Promise<string> {
  const deadline = performance.now() + placeLimitMs;
  while (performance.now() < deadline) {
    const instance = await instanceById(services.db, id);
    if (!instance || instance.app_id !== appId) throw new AppError('not_found', `there is no run "${id}"`);
    const host = instance.host_id ? await hostById(services.db, instance.host_id) : undefined;
    if (host) return host.agent_socket;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new AppError('timeout', 'no host has taken the run', { hint: 'see: berth status' });
}

function refuse(socket: Socket, error: AppError): void {
  if (socket.destroyed || socket.bytesWritten > 0) return void socket.destroy();
  const body = JSON.stringify(error.toBody());
  socket.end(
    `HTTP/1.1 ${error.status} Error\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
