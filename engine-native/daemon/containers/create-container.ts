// From a parsed create request to a container on disk that can be started. Called by POST /containers/create.
import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import type { ImageDefaults } from '../images/image-config.ts';
import type { Image, ImageStore } from '../images/image-store.ts';
import type { LayerStore } from '../images/layer-store.ts';
import { parseExtraHosts } from '../networks/etc-files.ts';
import type { Networks } from '../networks/networks.ts';
import { claimVolumes, dropAnonymousVolumes } from '../volumes/claim-volumes.ts';
import { fillVolumes } from '../volumes/fill-volumes.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { resourcesOf } from './build-spec.ts';
import { Container } from './container.ts';
import { type ContainerRecord, freshLife } from './container-config.ts';
import type { ContainerFiles } from './container-files.ts';
import { checkContainerName } from './container-name.ts';
import { checkNetworks } from './container-networks.ts';
import type { ContainerRegistry } from './container-registry.ts';
import { publishContainer } from './describe-event.ts';
import { logLimits } from './log-options.ts';
import { mergeImageConfig } from './merge-image-config.ts';
import type { MountPoint } from './mount-point.ts';
import { checkNamespaces, joinedBy } from './namespace-modes.ts';
import { type CreateRequest, diskQuotaBytes } from './parse-create.ts';
import { checkResources, parseDeviceRule } from './parse-resources.ts';
import { mountsOf, planMounts } from './plan-mounts.ts';
import { randomName } from './random-name.ts';
import { type RemoveParts, removeContainer } from './remove-container.ts';
import type { Runtimes } from './runtimes.ts';
import { capabilitySet } from './security-defaults.ts';
import { securityOptions } from './security-options.ts';
import { signalNumber } from './signals.ts';
import { type UsernsRanges, usernsLabel } from './userns-ranges.ts';

export interface CreateParts extends RemoveParts {
  images: ImageStore;
  networks: Networks;
  registry: ContainerRegistry;
  files: ContainerFiles;
  userns: UsernsRanges;
  events: Events;
  layers: LayerStore;
  volumes: VolumeStore;
  runtimes: Runtimes;
}

/** What a container is made on when it is no image yet: a step of a build. */
export interface RootOfContainer {
  id: string;
  /** Lowest first. */
  layers: string[];
  defaults: ImageDefaults;
}

export async function createContainer(
  request: CreateRequest,
  name: string,
  parts: CreateParts,
  root?: RootOfContainer,
): Promise<Container> {
  const container = register(request, name, parts, root);
  try {
    await container.exclusive(() => fillVolumes(container, parts));
  } catch (error) {
    await removeContainer(container, parts, { force: false, volumes: true });
    throw error;
  }
  return container;
}

function register(
  request: CreateRequest,
  name: string,
  parts: CreateParts,
  root?: RootOfContainer,
): Container {
  const { images, registry, files, events } = parts;
  const chosenName = name === '' ? freeName(registry) : checkContainerName(name);
  registry.checkFree(chosenName);
  const { id: imageId, layers, defaults } = root ?? rootOf(images.get(request.config.Image));
  const config = mergeImageConfig(request.config, defaults);
  checkRequest({ ...request, config }, parts);
  const planned = planMounts(config, request.hostConfig, (other) => mountsOfOther(other, registry));
  const networks = checkNetworks(request.networks, parts.networks);
  const id = randomBytes(32).toString('hex');
  const record: ContainerRecord = {
    id,
    name: chosenName,
    created: new Date().toISOString(),
    imageId,
    imageRef: request.config.Image,
    layers,
    config: { ...config, Hostname: config.Hostname || id.slice(0, 12) },
    hostConfig: request.hostConfig,
    mounts: planned,
    networks,
    usernsBase: usernsBase(request, parts),
    life: { ...freshLife },
  };
  if (request.hostConfig.NetworkMode === 'host') record.config.Hostname = config.Hostname;
  try {
    record.mounts = claimVolumes(planned, request.hostConfig, parts.volumes);
    files.create(record);
  } catch (error) {
    dropAnonymousVolumes(record.mounts ?? [], parts.volumes);
    if (record.usernsBase !== null) parts.userns.release(record.usernsBase);
    throw error;
  }
  const container = new Container(record);
  registry.add(container);
  publishContainer(events, container, 'create');
  return container;
}

function mountsOfOther(name: string, registry: ContainerRegistry): MountPoint[] {
  const other = registry.find(name);
  if (!other) throw new AppError('bad_request', `No such container: ${name}`, { hint: 'see --volumes-from' });
  return mountsOf(other.record);
}

function rootOf({ id, config }: Image): RootOfContainer {
  return { id, layers: config.diffIds, defaults: config.defaults };
}

/** Everything that would fail at the start fails here, where the user still looks. */
function checkRequest({ config, hostConfig }: CreateRequest, parts: CreateParts): void {
  joinedBy(hostConfig.NetworkMode, parts.registry);
  if (config.WorkingDir !== '' && !config.WorkingDir.startsWith('/'))
    throw new AppError(
      'bad_request',
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  if (config.Hostname !== '' && !/^\w[\w.-]{0,62}$/.test(config.Hostname))
    throw new AppError('bad_request', `"${config.Hostname}" is not a hostname`, {
      hint: 'use at most 63 letters, digits, dots and dashes',
    });
  if (config.StopSignal !== '') signalNumber(config.StopSignal);
  if (hostConfig.AutoRemove && !['', 'no'].includes(hostConfig.RestartPolicy.Name))
    throw new AppError('bad_request', 'a container cannot both restart and be removed when it ends', {
      hint: 'leave out --rm or --restart',
    });
  checkResources(hostConfig, cpus().length);
  securityOptions(hostConfig);
  parts.runtimes.check({ config, hostConfig });
  for (const rule of hostConfig.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  checkNamespaces(hostConfig, parts);
  if (hostConfig.UTSMode === 'host' && (config.Hostname !== '' || config.Domainname !== ''))
    throw new AppError('bad_request', 'conflicting options: hostname and the UTS mode', {
      hint: 'leave out --hostname, or --uts host',
    });
  logLimits(hostConfig.LogConfig);
  capabilitySet(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged);
  diskQuotaBytes(hostConfig.StorageOpt);
  resourcesOf(hostConfig);
  parseExtraHosts(hostConfig.ExtraHosts, '127.0.0.1');
}

function usernsBase(
  { config, hostConfig }: CreateRequest,
  { userns, registry }: Pick<CreateParts, 'userns' | 'registry'>,
): number | null {
  const { UsernsMode, Privileged } = hostConfig;
  if (!['', 'host', 'private'].includes(UsernsMode))
    throw new AppError('bad_request', `user namespace mode "${UsernsMode}" does not exist`, {
      hint: 'leave it out for a range of its own, or use host',
    });
  // "privileged" means the machine; a range of its own must be asked for.
  if (UsernsMode === 'host' || (Privileged && UsernsMode === '')) return null;
  // Who sees another container's processes or memory is the same users as they are.
  const owner = joinedBy(hostConfig.PidMode, registry) ?? joinedBy(hostConfig.IpcMode, registry);
  if (!owner) return userns.take(config.Labels[usernsLabel]);
  if (owner.record.usernsBase !== null) userns.adopt(owner.record.usernsBase);
  return owner.record.usernsBase;
}

function freeName(registry: ContainerRegistry): string {
  for (;;) {
    const name = randomName();
    if (!registry.find(name)) return name;
  }
}
