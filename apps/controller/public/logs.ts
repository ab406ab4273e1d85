// Public endpoints: an app's log, merged from the host agents, the router and what the platform knows of crashes.

import { HttpClient } from '@berth/clients/http-client.ts';
import type { LogLine } from '@berth/contract/log.ts';
import { agentPaths } from '@berth/contract/log.ts';
import type { AppRow } from '@berth/store/queries/apps.ts';
import { listHosts } from '@berth/store/queries/hosts.ts';
import { type Static, Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { crashLines } from '../crash-lines.ts';
import { mergeStreams } from '../merge-streams.ts';
import { sendGenerated } from '../send-lines.ts';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

const logQuery = Type.Object({
  lines: Type.Integer({ minimum: 0, maximum: 10_000, default: 100 }),
  process: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9_-]*(\\.[0-9]+)?$' })),
  follow: Type.Integer({ minimum: 0, maximum: 1, default: 0 }),
});
type LogQuery = Static<typeof logQuery>;

export function logEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  server.get<{ Querystring: LogQuery }>(
    '/v1/apps/:app/logs',
    {
      schema: {
        summary: 'Log lines, oldest first (newline-delimited JSON)',
        params: appParams,
        querystring: logQuery,
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      await sendGenerated(request, reply, (signal) => appLog(services, app, request.query, signal));
    },
  );
}

/** The last lines of all sources by time, then, when followed, whatever comes. A source that is away is left out. */
async function* appLog(
  services: Services,
  app: AppRow,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const sources = await openSources(services, app, query);
  const past = (await Promise.all(sources.map((source) => collect(source(false, signal))))).flat();
  past.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  const shown = query.lines === 0 ? [] : past.slice(-query.lines);
  yield* shown;
  if (query.follow !== 1) return;
  const last = shown.at(-1)?.time ?? new Date(0).toISOString();
  for await (const line of mergeStreams(
    sources.map((source) => source(true, signal)),
    signal,
  )) {
    if (line.time > last || query.lines === 0) yield line;
  }
}

type Source = (follow: boolean, signal: AbortSignal) => AsyncIterable<LogLine>;

async function openSources(services: Services, app: AppRow, query: LogQuery): Promise<Source[]> {
  const process = query.process === undefined ? '' : `&process=${encodeURIComponent(query.process)}`;
  const sources: Source[] = (await listHosts(services.db)).map((host) => {
    const client = new HttpClient({
      socketPath: host.agent_socket,
      name: `the agent of host "${host.name}"`,
    });
    return (follow, signal) =>
      client.lines(
        'GET',
        `${agentPaths.logs}?app=${app.id}&lines=${query.lines}${process}${follow ? '&follow=1' : ''}`,
        { signal },
      ) as AsyncIterable<LogLine>;
  });
  const { lines, process: asked } = query;
  sources.push((follow, signal) =>
    crashLines(services, { appId: app.id, lines, process: asked, follow }, signal),
  );
  if (query.process === undefined || query.process === 'router') {
    const router = new HttpClient({ socketPath: services.config.BERTH_ROUTER_SOCKET, name: 'the router' });
    sources.push((follow, signal) =>
      routerLines(
        router.lines('GET', `/logs?app=${app.name}&lines=${query.lines}${follow ? '&follow=1' : ''}`, {
          signal,
        }),
      ),
    );
  }
  return sources;
}

async function* routerLines(lines: AsyncIterable<unknown>): AsyncGenerator<LogLine> {
  for await (const line of lines as AsyncIterable<{ time: string; message: string }>)
    yield { time: line.time, source: 'berth', process: 'router', message: line.message };
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const found: LogLine[] = [];
  try {
    for await (const line of lines) found.push(line);
  } catch {
    // the source is away: the others' lines are still worth showing
  }
  return found;
}
