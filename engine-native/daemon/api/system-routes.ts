// Routes about the engine itself: ping, version, info, events.
import { readFileSync } from 'node:fs';
import { cpus, hostname, release, totalmem } from 'node:os';
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Runtimes } from '../containers/runtimes.ts';
import type { EngineEvent, Events } from '../events.ts';
import { type Filters, matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import { hostFeatures } from '../host-features.ts';
import type { ImageStore } from '../images/image-store.ts';
import { parseMoment } from '../logs/log-records.ts';
import type { Registries } from '../registry-client/registries-file.ts';
import type { Message } from '../runtime/frames.ts';
import { type Call, clientGone, param, type Reply, type Route } from './route.ts';
import { apiVersion } from './server.ts';

export interface SystemApiParts {
  events: Events;
  registry: ContainerRegistry;
  images: ImageStore;
  registries: Registries;
  runtimes: Runtimes;
  engineName: string;
  root: string;
  /** What the helper said about itself and the host. */
  hello: () => Message;
}

const engineVersion = '0.1.0';

export function systemRoutes(parts: SystemApiParts): Route[] {
  return [
    { method: 'GET', pattern: '/_ping', handle: ping },
    { method: 'HEAD', pattern: '/_ping', handle: ping },
    { method: 'GET', pattern: '/version', handle: () => ({ status: 200, body: version() }) },
    { method: 'GET', pattern: '/info', handle: () => ({ status: 200, body: info(parts) }) },
    { method: 'GET', pattern: '/plugins', handle: () => ({ status: 200, body: [] }) },
    { method: 'GET', pattern: '/plugins/*name/json', handle: noPlugin },
    { method: 'GET', pattern: '/events', handle: (call) => streamEvents(call, parts.events) },
  ];
}

/** `docker inspect` asks for one of these last; it has no plugin to find. */
function noPlugin(call: Call): never {
  throw new AppError('not_found', `plugin "${param(call, 'name')}" not found`);
}

function ping({ response, request }: Call): Reply {
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    'Builder-Version': '1',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
  });
  response.end(request.method === 'HEAD' ? undefined : 'OK');
  return undefined;
}

function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function version(): object {
  const details = {
    ApiVersion: apiVersion,
    MinAPIVersion: '1.24',
    Arch: architecture(),
    Os: 'linux',
    KernelVersion: release(),
    Experimental: 'false',
  };
  return {
    Platform: { Name: 'Berth Engine' },
    Components: [{ Name: 'Engine', Version: engineVersion, Details: details }],
    Version: engineVersion,
    ApiVersion: apiVersion,
    MinAPIVersion: '1.24',
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: architecture(),
    KernelVersion: release(),
    BuildTime: '',
  };
}

function info({
  runtimes,
  events,
  registry,
  images,
  registries,
  engineName,
  root,
  hello,
}: SystemApiParts): object {
  const containers = registry.list();
  const count = (status: string) => containers.filter((container) => container.status === status).length;
  const cgroup = String(hello()['cgroup'] ?? '');
  return {
    ID: engineName,
    Containers: containers.length,
    ContainersRunning: count('running'),
    ContainersPaused: count('paused'),
    ContainersStopped: containers.length - count('running') - count('paused'),
    Images: images.list().length,
    Driver: 'overlay2',
    DriverStatus: [['Idmapped layers', String(hello()['idmap'] ?? false)]],
    DockerRootDir: root,
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'null'],
      Authorization: null,
      Log: ['json-file', 'local', 'none'],
    },
    ...limitsOfHost(),
    IPv4Forwarding: true,
    BridgeNfIptables: true,
    BridgeNfIp6tables: true,
    Debug: false,
    ExperimentalBuild: false,
    Isolation: '',
    Labels: [],
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    InitBinary: 'berth-shim',
    ContainerdCommit: { ID: 'none' },
    RuncCommit: { ID: 'none' },
    InitCommit: { ID: engineVersion },
    NEventsListener: events.listeners,
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: cgroup === 'v2' ? '2' : '1',
    KernelVersion: release(),
    OperatingSystem: osName(),
    OSType: 'linux',
    Architecture: process.arch === 'x64' ? 'x86_64' : 'aarch64',
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Name: hostname(),
    ServerVersion: engineVersion,
    DefaultRuntime: 'berth',
    Runtimes: runtimes.list(),
    Swarm: { LocalNodeState: 'inactive' },
    LiveRestoreEnabled: true,
    SecurityOptions: ['name=seccomp,profile=builtin', 'name=userns', 'name=no-new-privileges'],
    Warnings: [],
    SystemTime: new Date().toISOString(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registries.describe(),
  };
}

/** In Docker's words. */
function limitsOfHost(): object {
  const host = hostFeatures();
  return {
    MemoryLimit: host.memory,
    SwapLimit: host.swap,
    KernelMemoryTCP: false,
    CpuCfsPeriod: host.cpuQuota,
    CpuCfsQuota: host.cpuQuota,
    CPUShares: host.cpuShares,
    CPUSet: host.cpuset,
    PidsLimit: host.pids,
    OomKillDisable: host.oomKillDisable,
  };
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  } catch {
    return 'Linux';
  }
}

const eventFilters = [
  'config',
  'container',
  'daemon',
  'event',
  'image',
  'label',
  'network',
  'node',
  'plugin',
  'scope',
  'secret',
  'service',
  'type',
  'volume',
];

function streamEvents({ query, response }: Call, events: Events): Reply {
  const filters = parseFilters(query.get('filters'), eventFilters);
  const sinceMs = parseMoment(query.get('since'));
  const untilMs = parseMoment(query.get('until'));
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const write = (event: EngineEvent) => {
    const isDue = untilMs === undefined || event.timeNano / 1e6 <= untilMs;
    if (isDue && matchesEvent(event, filters)) response.write(`${JSON.stringify(withLegacyNames(event))}\n`);
  };
  // Subscribed before the kept ones are written: nothing can fall between.
  const stop = events.subscribe(write);
  if (sinceMs !== undefined) for (const event of events.since(sinceMs)) write(event);
  const timer =
    untilMs === undefined ? undefined : setTimeout(() => response.end(), Math.max(0, untilMs - Date.now()));
  clientGone(response).addEventListener('abort', () => {
    stop();
    clearTimeout(timer);
  });
  return undefined;
}

/** Older clients read these three. */
function withLegacyNames(event: EngineEvent): object {
  if (event.Type !== 'container') return event;
  return { status: event.Action, id: event.Actor.ID, from: event.Actor.Attributes['image'], ...event };
}

export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  const { Type, Action, Actor } = event;
  const named = (type: string) => (value: string) =>
    Type === type && (Actor.ID.startsWith(value) || Actor.Attributes['name'] === value);
  return (
    matchesAny(filters['type'], (value) => value === Type) &&
    matchesAny(filters['event'], (value) => value === Action || Action.startsWith(`${value}:`)) &&
    matchesAny(filters['container'], named('container')) &&
    matchesAny(filters['network'], named('network')) &&
    matchesAny(filters['volume'], named('volume')) &&
    matchesAny(filters['scope'], (value) => value === 'local') &&
    ['config', 'daemon', 'node', 'plugin', 'secret', 'service'].every((kind) => !filters[kind]?.length) &&
    matchesAny(filters['image'], (value) => value === Actor.ID || Actor.Attributes['image'] === value) &&
    matchesLabels(filters['label'], Actor.Attributes)
  );
}
