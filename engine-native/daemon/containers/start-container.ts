// The start of a container, as a list of steps: network, /etc files, spec, shim, attaches. A failed step undoes the ones before it.
// Must stay short: everything here is on the way of a push.
import { statfsSync } from 'node:fs';
import { hostname } from 'node:os';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import type { LayerStore } from '../images/layer-store.ts';
import { gatewayEndpoint } from '../networks/endpoint.ts';
import { hostsText, parseExtraHosts } from '../networks/etc-files.ts';
import { readText } from '../networks/host-network.ts';
import type { Networks } from '../networks/networks.ts';
import type { ContainerSpec, NetworkSpec } from '../runtime/container-spec.ts';
import type { Helper, StartResult } from '../runtime/helper.ts';
import { RuntimeFailure, startFailureExitCode, startFailureText } from '../runtime/runtime-failure.ts';
import type { Shim } from '../runtime/shim.ts';
import { letVolumesGo, publishMounts, useVolumes, type VolumeUseParts } from '../volumes/use-volumes.ts';
import { buildSpec } from './build-spec.ts';
import { destroyCgroup } from './cgroup-cleanup.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import {
  describePortFailure,
  heldPorts,
  joinNetworks,
  leaveNetworks,
  linkEntries,
  ownAddresses,
  takePorts,
} from './container-networks.ts';
import type { ContainerRegistry } from './container-registry.ts';
import { refuseDamaged } from './damaged-record.ts';
import { publishContainer, publishNetwork } from './describe-event.ts';
import { connectLiving, endShims, stateOf } from './find-shim.ts';
import type { ContainerFinisher } from './finish-container.ts';
import { devicesOf } from './host-devices.ts';
import type { VolumePlace } from './mount-specs.ts';
import { resolvConfOf } from './name-servers.ts';
import type { Runtimes } from './runtimes.ts';

export interface StartParts extends VolumeUseParts {
  helper: Helper;
  layers: LayerStore;
  networks: Networks;
  registry: ContainerRegistry;
  files: ContainerFiles;
  finisher: ContainerFinisher;
  events: Events;
  runtimes: Runtimes;
  cgroupOf: (id: string) => string;
}

const portTries = 32; // so many free-looking ports in a row that other programs have: then something is wrong
const orphanLimitMs = 10_000; // a shim that still starts after this long hangs: it is ended rather than waited for
const connectLimitMs = 10_000; // a shim that lives but opens no connection for this long is stopped

/** False when it runs already. */
export function startContainer(container: Container, parts: StartParts, byUser = true): Promise<boolean> {
  return container.exclusive(async () => {
    if (container.isRunning) return false;
    if (container.status === 'removing')
      throw new AppError('conflict', `container "${container.record.name}" is being removed`);
    refuseDamaged(container.record);
    if (!byUser && container.status !== 'restarting' && container.record.life.stoppedByUser) return false;
    if (byUser) {
      clearTimeout(container.restartTimer);
      container.restartTimer = undefined;
      container.record.life.restartCount = 0;
      container.record.life.stoppedByUser = false;
    }
    try {
      await start(container, parts);
    } catch (error) {
      // Whoever was killed on the way may have left a shim that goes on, or control groups.
      if (!(error instanceof RuntimeFailure)) await endShims(container.id);
      await destroyCgroup(parts.cgroupOf(container.id));
      if (byUser && container.status === 'restarting') container.status = 'exited';
      throw failStart(container, parts, parts.layers.lossOf(container.record.layers) ?? error);
    }
    return true;
  });
}

async function start(container: Container, parts: StartParts): Promise<void> {
  const { files, finisher, events, networks } = parts;
  const network = await joinNetworks(container, networks);
  const started = await startHoldingPorts(container, network, await useVolumes(container, parts), parts);
  const opened = networks.publish(container.id, container.ports, container.endpoints);
  opened.catch(() => {}); // looked at below
  const shim = started.shim ?? (await connectLiving(files.runDir(container.id), connectLimitMs));
  await endUnless(opened, shim);
  container.pid = started.pid;
  container.shim = shim;
  container.status = 'running';
  container.killReason = '';
  Object.assign(container.record.life, {
    startedAt: started.startedAt,
    error: '',
    exitCode: 0,
    oomKilled: false,
  });
  publishMounts(container, parts);
  for (const { networkId, networkName } of container.endpoints)
    publishNetwork(events, 'connect', { id: networkId, name: networkName }, container);
  publishContainer(events, container, 'start');
  files.saveLife(container.record);
  if (shim) {
    container.connectPendingAttaches(shim);
    finisher.watch(container, shim);
    return;
  }
  // So short-lived that its shim is gone already: the exit record tells the rest.
  container.rejectPendingAttaches('the container ended before it could be attached');
  finisher.finish(container, await finisher.exitOfDeadShim(container.id));
}

/** Survives a helper that dies with the start in flight. */
async function startShim(
  spec: ContainerSpec,
  helper: Helper,
  runDir: string,
): Promise<StartResult & { shim?: Shim }> {
  try {
    return await helper.startContainer(spec);
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    // The shim that the helper forked goes on without it; find it, or nobody ever would.
    const shim = await connectLiving(runDir, orphanLimitMs);
    const state = await (shim && stateOf(shim, runDir).catch(() => undefined));
    if (shim && state) return { pid: state.pid, shimPid: 0, startedAt: state.startedAt, shim };
    throw error;
  }
}

/** Ports that nobody asked for by number are tried until one is free on the host, too. */
async function startHoldingPorts(
  container: Container,
  network: NetworkSpec,
  volumes: Record<string, VolumePlace>,
  parts: StartParts,
): Promise<StartResult & { shim?: Shim }> {
  const { files, helper, networks } = parts;
  const avoid = new Set<string>();
  for (;;) {
    takePorts(container, networks, avoid);
    const { endpoints, ports } = container;
    const { record } = container;
    files.prepareRun(container.id, { startedAt: new Date().toISOString(), endpoints, ports, record });
    writeEtcFiles(container, parts);
    try {
      return await startShim(specOf(container, network, volumes, parts), helper, files.runDir(container.id));
    } catch (error) {
      const taken = takenPort(error);
      if (taken === undefined) throw error;
      if (avoid.has(taken) || avoid.size === portTries) throw describePortFailure(container, error);
      avoid.add(taken);
    }
  }
}

/** `tcp/8080` when that is what failed a start. */
function takenPort(error: unknown): string | undefined {
  if (!(error instanceof RuntimeFailure) || error.runtimeCode !== 'port_in_use') return undefined;
  const [, port, proto] = /:(\d+)\/(tcp|udp|sctp)/.exec(error.message) ?? [];
  return `${proto}/${port}`;
}

/** A container whose ports lead nowhere is not started. */
async function endUnless(opened: Promise<void>, shim: Shim | undefined): Promise<void> {
  try {
    await opened;
  } catch (error) {
    const ended = shim?.wait();
    await shim?.kill(9).catch(() => {});
    await ended?.catch(() => {});
    throw error;
  }
}

function writeEtcFiles(container: Container, { files, registry }: StartParts): void {
  const { config, hostConfig } = container.record;
  if (hostConfig.NetworkMode.startsWith('container:')) return;
  const isHost = hostConfig.NetworkMode === 'host';
  const name = config.Hostname || hostname();
  const names = config.Domainname === '' ? [name] : [`${name}.${config.Domainname}`, name];
  const gateway = gatewayEndpoint(container.endpoints) ?? container.endpoints[0];
  const extra = parseExtraHosts(hostConfig.ExtraHosts, gateway?.gateway ?? '127.0.0.1');
  const links = linkEntries(container, registry);
  files.writeEtc(container.id, {
    hosts: isHost ? readText('/etc/hosts') : hostsText(names, ownAddresses(container), [...extra, ...links]),
    hostname: name,
    resolv: resolvConfOf(container),
  });
}

function specOf(
  container: Container,
  network: NetworkSpec,
  volumes: Record<string, VolumePlace>,
  parts: StartParts,
): ContainerSpec {
  const { files, layers, registry } = parts;
  const { hostConfig } = container.record;
  const join = (mode: string) =>
    mode.startsWith('container:') ? joinedContainer(mode, registry) : undefined;
  const netOwner = join(hostConfig.NetworkMode);
  const [net, pid, ipc] = [netOwner, join(hostConfig.PidMode), join(hostConfig.IpcMode)];
  const uts = join(hostConfig.UTSMode);
  const spec = buildSpec(container.record, {
    runDir: files.runDir(container.id),
    stateDir: files.stateDir(container.id),
    cgroup: parts.cgroupOf(container.id),
    layerDirs: container.record.layers.map((diffId) => layers.diffDir(diffId)),
    network,
    ports: heldPorts(container),
    joined: {
      ...(net ? { net: `/proc/${net.pid}/ns/net` } : {}),
      ...(pid ? { pid: `/proc/${pid.pid}/ns/pid`, ...usernsShared(container, pid) } : {}),
      ...(uts ? { uts: `/proc/${uts.pid}/ns/uts` } : {}),
      ...(ipc ? { ipc: `/proc/${ipc.pid}/ns/ipc`, shm: `/proc/${ipc.pid}/ns/mnt` } : {}),
    },
    devices: devicesOf(hostConfig),
    hostHostname: hostname(),
    awaitAttach: container.hasPendingAttach,
    etcDir: files.stateDir(netOwner?.id ?? container.id),
    tty: container.tty,
    volumes,
  });
  return parts.runtimes.apply(spec, hostConfig);
}

/** Whoever joins a container's processes is the same users on the host; create saw to that. */
function usernsShared({ record }: Container, owner: Container): { user?: string } {
  if (record.usernsBase === null || owner.record.usernsBase === null) return {};
  if (record.usernsBase !== owner.record.usernsBase)
    throw new AppError(
      'conflict',
      `container "${owner.record.name}" has other user ids than "${record.name}"`,
      {
        hint: 'create the container again: the one it joins was made anew',
      },
    );
  return { user: `/proc/${owner.pid}/ns/user` };
}

function joinedContainer(mode: string, registry: ContainerRegistry): Container {
  const other = registry.get(mode.slice('container:'.length));
  if (other.isRunning) return other;
  throw new AppError(
    'conflict',
    `container "${other.record.name}", whose namespace is to be joined, does not run`,
  );
}

const fullBytes = 256 * 1024; // less than a start itself writes

/** An overlay over a full disk comes up read-only, which is not what its user has to know. */
function diskFullBehind(error: unknown, stateDir: string): RuntimeFailure | undefined {
  if (!(error instanceof RuntimeFailure) || !/read-only file system/i.test(error.message)) return undefined;
  const { bavail, bsize, ffree } = statfsSync(stateDir);
  if (bavail * bsize > fullBytes && ffree > 0) return undefined;
  return new RuntimeFailure('no_space', 'no space left on device: the disk of the engine is full');
}

/** Undoes a start that failed and gives the error as Docker's users know it. */
function failStart(container: Container, parts: StartParts, cause: unknown): unknown {
  const error = diskFullBehind(cause, parts.files.stateDir(container.id)) ?? cause;
  const { networks, files } = parts;
  leaveNetworks(container, networks);
  files.clearRun(container.id);
  letVolumesGo(container, parts);
  const { life } = container.record;
  life.exitCode = startFailureExitCode(error);
  life.error = startFailureText(error);
  files.saveLife(container.record);
  container.endReason = '';
  container.rejectPendingAttaches(life.error);
  if (!(error instanceof RuntimeFailure)) return error;
  return new AppError(error.code, life.error, { cause: error });
}
