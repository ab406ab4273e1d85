// Routes of containers that answer once, but for stats. A handler reads the request, calls one verb, shapes the answer.
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Container, WaitCondition } from '../containers/container.ts';
import type { HostConfig } from '../containers/container-config.ts';
import { checkContainerName } from '../containers/container-name.ts';
import { type CreateParts, createContainer } from '../containers/create-container.ts';
import { publishContainer } from '../containers/describe-event.ts';
import { dropUnsupported } from '../containers/drop-unsupported.ts';
import { inspectContainer, summariseContainer } from '../containers/inspect-container.ts';
import { parseCreate } from '../containers/parse-create.ts';
import { prunable } from '../containers/prune-containers.ts';
import { type RemoveParts, removeContainer } from '../containers/remove-container.ts';
import { selectContainers } from '../containers/select-containers.ts';
import { type StartParts, startContainer } from '../containers/start-container.ts';
import { statsOf } from '../containers/stats.ts';
import {
  pauseContainer,
  signalContainer,
  stopContainer,
  unpauseContainer,
} from '../containers/stop-container.ts';
import { topContainer } from '../containers/top.ts';
import { updateContainer } from '../containers/update-container.ts';
import { containerSize } from '../disk-usage/container-size.ts';
import type { Events } from '../events.ts';
import { hostFeatures } from '../host-features.ts';
import type { Image } from '../images/image-store.ts';
import {
  type Call,
  clientGone,
  isSet,
  numberOf,
  param,
  type Reply,
  type Route,
  readJsonBody,
} from './route.ts';

export interface ContainerApiParts extends CreateParts, StartParts, RemoveParts {}

type Handler = (container: Container, call: Call) => Promise<Reply> | Reply;

export function containerRoutes(parts: ContainerApiParts): Route[] {
  const { registry } = parts;
  const on = (method: string, action: string, handle: Handler): Route => ({
    method,
    pattern: `/containers/:id${action}`,
    handle: (call) => handle(registry.get(param(call, 'id')), call),
  });
  return [
    { method: 'POST', pattern: '/containers/create', handle: (call) => create(call, parts) },
    { method: 'GET', pattern: '/containers/json', handle: (call) => list(call, parts) },
    { method: 'POST', pattern: '/containers/prune', handle: (call) => prune(call, parts) },
    on('GET', '/json', async (container, { query }) => ({
      status: 200,
      body: {
        ...inspectContainer(container, parts.files, parts.networks),
        ...(isSet(query, 'size') ? await containerSize(container, parts) : {}),
      },
    })),
    on('POST', '/start', (container) => start(container, parts)),
    on('POST', '/stop', (container, call) => stop(container, call, parts)),
    on('POST', '/restart', (container, call) => restart(container, call, parts)),
    on('POST', '/kill', (container, { query }) => kill(container, query, parts)),
    on('POST', '/pause', (container) => done(pauseContainer(container, parts.events))),
    on('POST', '/unpause', (container) => done(unpauseContainer(container, parts.events))),
    on('POST', '/wait', wait),
    on('POST', '/resize', (container, { query }) => resize(container, query, parts.events)),
    on('POST', '/rename', (container, { query }) => rename(container, query, parts)),
    on('POST', '/update', async (container, { request }) => ({
      status: 200,
      body: await updateContainer(container, await readJsonBody(request), parts),
    })),
    on('GET', '/top', async (container, { query }) => {
      container.runningShim();
      const body = await topContainer(parts.cgroupOf(container.id), query.get('ps_args') ?? '');
      publishContainer(parts.events, container, 'top');
      return { status: 200, body };
    }),
    on('GET', '/stats', (container, call) => stats(container, call)),
    on('DELETE', '', (container, { query }) =>
      done(removeContainer(container, parts, { force: isSet(query, 'force'), volumes: isSet(query, 'v') })),
    ),
  ];
}

async function done(work: Promise<unknown>): Promise<Reply> {
  await work;
  return { status: 204 };
}

function portWarnings({ NetworkMode, PortBindings, PublishAllPorts }: HostConfig): string[] {
  const isAsked = PublishAllPorts === true || Object.keys(PortBindings ?? {}).length > 0;
  if (!isAsked || !['host', 'none'].includes(NetworkMode)) return [];
  return [`Published ports are discarded when using ${NetworkMode} network mode`];
}

async function create(call: Call, parts: ContainerApiParts): Promise<Reply> {
  const given = parseCreate(await readJsonBody(call.request));
  const { hostConfig, warnings } = dropUnsupported(given.hostConfig, hostFeatures());
  const request = { ...given, hostConfig };
  checkPlatform(parts.images.lookUp(request.config.Image), call.query.get('platform') ?? '');
  const container = await createContainer(request, call.query.get('name') ?? '', parts);
  return { status: 201, body: { Id: container.id, Warnings: [...warnings, ...portWarnings(hostConfig)] } };
}

/** The client pulls after this answer, and gets the platform it asked for, or is told that there is none. */
function checkPlatform({ config }: Image, platform: string): void {
  const [os = '', architecture = ''] = platform.split('/');
  const isRight =
    (os === '' || os === config.os) && (architecture === '' || architecture === config.architecture);
  if (!isRight)
    throw new AppError(
      'not_found',
      `image was found but does not provide the specified platform (${platform}); it is for ${config.os}/${config.architecture}`,
    );
}

async function list({ query }: Call, parts: ContainerApiParts): Promise<Reply> {
  const { registry, networks } = parts;
  const chosen = selectContainers(registry.list(), {
    all: isSet(query, 'all'),
    filters: query.get('filters'),
    limit: numberOf(query, 'limit') ?? 0,
    find: (nameOrId) => registry.get(nameOrId),
  });
  const summaries = chosen.map((container) => summariseContainer(container, networks));
  if (!isSet(query, 'size')) return { status: 200, body: summaries };
  const sizes = await Promise.all(chosen.map((container) => containerSize(container, parts)));
  return { status: 200, body: summaries.map((summary, index) => ({ ...summary, ...sizes[index] })) };
}

async function start(container: Container, parts: ContainerApiParts): Promise<Reply> {
  try {
    return { status: (await startContainer(container, parts)) ? 204 : 304 };
  } catch (error) {
    const isOver = !container.isRunning && container.record.hostConfig.AutoRemove;
    if (isOver) await removeContainer(container, parts, { force: false, volumes: true });
    throw error;
  }
}

async function stop(container: Container, { query }: Call, parts: ContainerApiParts): Promise<Reply> {
  return { status: (await stopContainer(container, parts, stopOptions(query))) ? 204 : 304 };
}

function stopOptions(query: URLSearchParams): { graceSeconds?: number; signal?: string } {
  const graceSeconds = numberOf(query, 't');
  const signal = query.get('signal');
  return { ...(graceSeconds === undefined ? {} : { graceSeconds }), ...(signal ? { signal } : {}) };
}

async function restart(container: Container, { query }: Call, parts: ContainerApiParts): Promise<Reply> {
  await stopContainer(container, parts, stopOptions(query));
  await startContainer(container, parts);
  publishContainer(parts.events, container, 'restart');
  return { status: 204 };
}

function kill(container: Container, query: URLSearchParams, parts: ContainerApiParts): Promise<Reply> {
  return done(signalContainer(container, query.get('signal') || 'SIGKILL', parts));
}

/** The headers go out at once: docker run sends its start only after it has seen them. */
async function wait(container: Container, { query, response }: Call): Promise<Reply> {
  const condition = (query.get('condition') || 'not-running') as WaitCondition;
  if (!['not-running', 'next-exit', 'removed'].includes(condition))
    throw new AppError('bad_request', `wait condition "${condition}" does not exist`);
  const ended = container.wait(condition, clientGone(response));
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const { exitCode, error } = await ended;
  response.end(
    `${JSON.stringify({ StatusCode: exitCode, ...(error ? { Error: { Message: error } } : {}) })}\n`,
  );
  return undefined;
}

async function resize(container: Container, query: URLSearchParams, events: Events): Promise<Reply> {
  const [rows, cols] = [numberOf(query, 'h') ?? 0, numberOf(query, 'w') ?? 0];
  container.tty = { rows, cols };
  if (rows > 0 && cols > 0) await container.runningShim().resize(rows, cols);
  publishContainer(events, container, 'resize', { height: String(rows), width: String(cols) });
  return { status: 200 };
}

function rename(container: Container, query: URLSearchParams, parts: ContainerApiParts): Reply {
  const name = checkContainerName(query.get('name') ?? '');
  const oldName = `/${container.record.name}`;
  parts.registry.rename(container, name);
  parts.files.save(container.record);
  parts.networks.rename(container.id, oldName.slice(1), name);
  publishContainer(parts.events, container, 'rename', { oldName });
  return { status: 204 };
}

async function stats(container: Container, call: Call): Promise<Reply> {
  const { query, response } = call;
  const isStream = isSet(query, 'stream', true);
  if (!isStream) return { status: 200, body: await statsOf(container, isSet(query, 'one-shot')) };
  const signal = clientGone(response);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  // Each sample takes a second by itself: it compares the processor's counters over that time.
  while (!signal.aborted && container.status !== 'removing')
    response.write(`${JSON.stringify(await statsOf(container, false))}\n`);
  response.end();
  return undefined;
}

async function prune({ query }: Call, parts: ContainerApiParts): Promise<Reply> {
  const chosen = prunable(parts.registry.list(), query.get('filters'), Date.now());
  const removed: string[] = [];
  let reclaimed = 0;
  for (const container of chosen) {
    const upper = join(parts.files.stateDir(container.id), 'upper');
    const { bytes } = await parts.helper.usage(upper).catch(() => ({ bytes: 0 }));
    // Started meanwhile: then it is not for us to remove.
    const isGone = await removeContainer(container, parts, { force: false }).then(
      () => true,
      () => false,
    );
    if (!isGone) continue;
    reclaimed += bytes;
    removed.push(container.id);
  }
  parts.events.publish('container', 'prune', '', { reclaimed: String(reclaimed) });
  return { status: 200, body: { ContainersDeleted: removed, SpaceReclaimed: reclaimed } };
}
