// Reads the body of POST /containers/create into our own records. Pure. What we cannot honour is refused, never ignored.
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import type { EndpointSettings } from '../networks/endpoint.ts';
import { parseNetworking } from '../networks/parse-network.ts';
import type { ContainerConfig, HostConfig } from './container-config.ts';
import { parseHealthcheck } from './parse-health.ts';
import { parseMountRequest } from './parse-mount-request.ts';
import { parseDevice, parseResources, parseUlimits } from './parse-resources.ts';
import { parseSize } from './parse-size.ts';
import { ownRuntime, plainRuntimeName } from './runtimes.ts';

export interface CreateRequest {
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** What it asks of each of its networks, by name. */
  networks: Record<string, EndpointSettings>;
}

const restartNames = ['', 'no', 'always', 'on-failure', 'unless-stopped'] as const;

/** Fields that change what a container is allowed or able to do; being silent about them would be a lie. */
const refused: Record<string, string> = {
  DeviceRequests: 'use Devices',
  CgroupParent: 'leave it out: the engine has a parent of its own',
};

export function parseCreate(body: unknown): CreateRequest {
  const fields = new JsonFields(body);
  const host = fields.object('HostConfig') ?? new JsonFields({}, 'HostConfig');
  const hostConfig = parseHostConfig(host);
  const { networks, ...networking } = parseNetworking(fields, host);
  return { config: parseConfig(fields), hostConfig: { ...hostConfig, ...networking }, networks };
}

export function parseConfig(fields: JsonFields): ContainerConfig {
  const stopTimeout = fields.integer('StopTimeout');
  const shell = fields.texts('Shell');
  const health = parseHealthcheck(fields.object('Healthcheck'));
  return {
    Hostname: fields.text('Hostname') ?? '',
    Domainname: fields.text('Domainname') ?? '',
    User: fields.text('User') ?? '',
    AttachStdin: fields.flag('AttachStdin') ?? false,
    AttachStdout: fields.flag('AttachStdout') ?? false,
    AttachStderr: fields.flag('AttachStderr') ?? false,
    ExposedPorts: (fields.object('ExposedPorts')?.raw() ?? {}) as Record<string, object>,
    Tty: fields.flag('Tty') ?? false,
    OpenStdin: fields.flag('OpenStdin') ?? false,
    StdinOnce: fields.flag('StdinOnce') ?? false,
    Env: fields.texts('Env') ?? [],
    Cmd: fields.command('Cmd') ?? null,
    Entrypoint: fields.command('Entrypoint') ?? null,
    Image: fields.text('Image') ?? '',
    WorkingDir: fields.text('WorkingDir') ?? '',
    Labels: fields.map('Labels') ?? {},
    StopSignal: fields.text('StopSignal') ?? '',
    Volumes: (fields.object('Volumes')?.raw() ?? {}) as Record<string, object>,
    ...(stopTimeout === undefined ? {} : { StopTimeout: stopTimeout }),
    ...(health ? { Healthcheck: health } : {}),
    ...(shell ? { Shell: shell } : {}),
  };
}

function parseHostConfig(host: JsonFields): HostConfig {
  for (const [name, hint] of Object.entries(refused)) {
    if (host.isGiven(name))
      throw new AppError('unsupported', `"HostConfig.${name}" is not supported by this engine`, { hint });
  }
  const isolation = host.text('Isolation') ?? '';
  if (!['', 'default'].includes(isolation))
    throw new AppError('bad_request', `invalid isolation '${isolation}': only 'default' exists on Linux`);
  const logConfig = host.object('LogConfig');
  const driver = logConfig?.text('Type') ?? '';
  if (!['', 'json-file', 'local', 'none'].includes(driver))
    throw new AppError('unsupported', `log driver "${driver}" is not supported`, {
      hint: 'use json-file, local or none',
    });
  return {
    ...parseResources(host),
    Binds: host.texts('Binds') ?? [],
    Mounts: host.objects('Mounts').map(parseMountRequest),
    Tmpfs: host.map('Tmpfs') ?? {},
    VolumesFrom: host.texts('VolumesFrom') ?? [],
    VolumeDriver: host.text('VolumeDriver') ?? '',
    NetworkMode: host.text('NetworkMode') ?? '',
    CapAdd: host.texts('CapAdd') ?? [],
    CapDrop: host.texts('CapDrop') ?? [],
    Privileged: host.flag('Privileged') ?? false,
    SecurityOpt: host.texts('SecurityOpt') ?? [],
    ReadonlyRootfs: host.flag('ReadonlyRootfs') ?? false,
    Sysctls: host.map('Sysctls') ?? {},
    Init: host.flag('Init') ?? false,
    RestartPolicy: parseRestartPolicy(host.object('RestartPolicy')),
    AutoRemove: host.flag('AutoRemove') ?? false,
    LogConfig: { Type: driver || 'json-file', Config: logConfig?.map('Config') ?? {} },
    ExtraHosts: host.texts('ExtraHosts') ?? [],
    Dns: host.texts('Dns') ?? [],
    DnsSearch: host.texts('DnsSearch') ?? [],
    DnsOptions: host.texts('DnsOptions') ?? [],
    UsernsMode: host.text('UsernsMode') ?? '',
    PidMode: host.text('PidMode') ?? '',
    IpcMode: host.text('IpcMode') ?? '',
    UTSMode: host.text('UTSMode') ?? '',
    StorageOpt: host.map('StorageOpt') ?? {},
    Devices: host.objects('Devices').map(parseDevice),
    DeviceCgroupRules: host.texts('DeviceCgroupRules') ?? [],
    GroupAdd: host.texts('GroupAdd') ?? [],
    CgroupnsMode: host.text('CgroupnsMode') ?? '',
    MaskedPaths: host.texts('MaskedPaths') ?? null,
    ReadonlyPaths: host.texts('ReadonlyPaths') ?? null,
    Annotations: host.map('Annotations') ?? {},
    ...runtimeOf(host),
    ConsoleSize: consoleSizeOf(host),
    ShmSize: shmSizeOf(host),
    OomScoreAdj: oomScoreOf(host),
    Ulimits: parseUlimits(host),
  };
}

function runtimeOf(host: JsonFields): { Runtime?: string } {
  const name = plainRuntimeName(host.text('Runtime') ?? '');
  return name === ownRuntime ? {} : { Runtime: name };
}

function consoleSizeOf(host: JsonFields): [number, number] {
  const size = host.raw()['ConsoleSize'];
  const [rows, cols] = Array.isArray(size) ? size.map(Number) : [];
  const isSize = (value: number | undefined): value is number =>
    Number.isInteger(value) && (value ?? -1) >= 0 && (value ?? 0) < 65_536;
  return isSize(rows) && isSize(cols) ? [rows, cols] : [0, 0];
}

function shmSizeOf(host: JsonFields): number {
  const size = host.integer('ShmSize') ?? 0;
  if (size < 0) throw new AppError('bad_request', 'SHM size can not be less than 0');
  return size;
}

export function parseRestartPolicy(policy: JsonFields | undefined): HostConfig['RestartPolicy'] {
  const given = policy?.text('Name') ?? '';
  const name = restartNames.find((known) => known === given);
  if (name === undefined)
    throw new AppError(
      'bad_request',
      `invalid restart policy: unknown policy '${given}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  const retries = policy?.integer('MaximumRetryCount') ?? 0;
  if (retries < 0)
    throw new AppError('bad_request', 'invalid restart policy: maximum retry count cannot be negative');
  if (retries > 0 && name !== 'on-failure')
    throw new AppError(
      'bad_request',
      `invalid restart policy: maximum retry count can only be used with 'on-failure'`,
    );
  return { Name: name, MaximumRetryCount: retries };
}

/** Bytes allowed in the writable layer; 0 = no limit. */
export function diskQuotaBytes(storageOpt: Record<string, string>): number {
  const size = storageOpt['size'];
  return size === undefined ? 0 : parseSize(size, 'StorageOpt.size');
}

function oomScoreOf(host: JsonFields): number {
  const score = host.integer('OomScoreAdj') ?? 0;
  if (score >= -1000 && score <= 1000) return score;
  throw new AppError('bad_request', `Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
}
