// The create requests of a pod's containers, in Docker's words, as POST /containers/create would get them. Pure.
import type { PodRecord } from './pod.ts';
import type { ContainerPlan, PodSpec, VolumePlan } from './pod-spec.ts';

/** For filters and for the daemon that finds a half-made pod; nothing else is read out of them. */
export const podLabel = 'berth.pod';
export const podIdLabel = 'berth.pod.id';
export const podContainerLabel = 'berth.pod.container';
/** What `docker ps` shows as the image of an infra container. */
export const pauseImage = 'berth-pause';

const bytesLeast = 6 * 1024 * 1024; // the engine reserves no less memory than a program needs to start

export function infraRequest({ id, spec, network, volumes }: PodRecord): object {
  const ports = spec.containers.flatMap((container) => container.ports);
  const bindings = new Map<string, { HostIp: string; HostPort: string }[]>();
  for (const { containerPort, protocol, hostPort, hostIp } of ports) {
    if (hostPort === 0) continue;
    const key = `${containerPort}/${protocol}`;
    bindings.set(key, [...(bindings.get(key) ?? []), { HostIp: hostIp, HostPort: String(hostPort) }]);
  }
  const aliases = [...new Set([spec.name, spec.hostname])];
  // Memory lasts as long as somebody holds it: the infra container does, from an init container to the next one.
  const held = spec.volumes.filter((volume) => volume.kind === 'empty' && volume.inMemory);
  return {
    Image: pauseImage,
    Entrypoint: ['/pause'],
    Hostname: spec.hostname,
    Labels: labelsOf(id, spec, 'infra'),
    ExposedPorts: Object.fromEntries(
      ports.map(({ containerPort, protocol }) => [`${containerPort}/${protocol}`, {}]),
    ),
    StopTimeout: 1,
    HostConfig: {
      NetworkMode: network,
      IpcMode: 'shareable',
      PortBindings: Object.fromEntries(bindings),
      ExtraHosts: spec.hostAliases.flatMap(({ ip, names }) => names.map((name) => `${name}:${ip}`)),
      Dns: spec.dns.servers,
      DnsSearch: spec.dns.search,
      DnsOptions: spec.dns.options,
      Sysctls: spec.sysctls,
      CapDrop: ['ALL'],
      LogConfig: { Type: 'none' },
      Mounts: held.map(({ name }) => ({ Type: 'volume', Source: volumes[name], Target: `/volumes/${name}` })),
    },
    ...(network === 'none' || network === 'host'
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } } }),
  };
}

export function memberRequest(record: PodRecord, plan: ContainerPlan): object {
  const { spec, infraId } = record;
  const { limits, security } = plan;
  const shared = `container:${infraId}`;
  return {
    Image: plan.image,
    ...(plan.command ? { Entrypoint: plan.command } : {}),
    ...(plan.args ? { Cmd: plan.args } : {}),
    Env: plan.env,
    WorkingDir: plan.workingDir,
    User: security.user,
    Hostname: spec.hostname,
    Labels: labelsOf(record.id, spec, plan.name),
    StopTimeout: spec.graceSeconds,
    Healthcheck: { Test: ['NONE'] }, // the manifest's probes say what healthy means
    HostConfig: {
      NetworkMode: shared,
      IpcMode: shared,
      UTSMode: shared,
      ...(spec.sharesProcesses ? { PidMode: shared } : {}),
      Mounts: mountsOf(record, plan),
      NanoCpus: limits.nanoCpus,
      CpuShares: limits.cpuShares,
      Memory: limits.memoryBytes,
      ...(limits.memoryReservationBytes >= bytesLeast
        ? { MemoryReservation: limits.memoryReservationBytes }
        : {}),
      ...(limits.diskBytes > 0 ? { StorageOpt: { size: String(limits.diskBytes) } } : {}),
      ReadonlyRootfs: security.readonlyRoot,
      Privileged: security.privileged,
      CapAdd: security.addCapabilities,
      CapDrop: security.dropCapabilities,
      GroupAdd: security.groups,
      ...(security.mayGainPrivileges === undefined
        ? {}
        : { SecurityOpt: [`no-new-privileges=${!security.mayGainPrivileges}`] }),
    },
  };
}

export function containerName(podName: string, member: string): string {
  return `${podName}-${member}`;
}

export function volumeName(podId: string, volume: string): string {
  return `pod-${podId.slice(0, 12)}-${volume}`;
}

/** Options of the engine's volume for one of the manifest; undefined when it needs none. */
export function volumeOptions(volume: VolumePlan, hasSubPath: boolean): Record<string, string> | undefined {
  if (volume.kind === 'host')
    return hasSubPath ? { type: 'none', o: 'rbind', device: volume.path } : undefined;
  if (!volume.inMemory) return {};
  const size = volume.sizeLimitBytes > 0 ? [`size=${volume.sizeLimitBytes}`] : [];
  return { type: 'tmpfs', device: 'tmpfs', o: [...size, 'mode=0777'].join(',') };
}

function labelsOf(id: string, spec: PodSpec, container: string): Record<string, string> {
  return { ...spec.labels, [podLabel]: spec.name, [podIdLabel]: id, [podContainerLabel]: container };
}

function mountsOf({ spec, volumes }: PodRecord, { mounts }: ContainerPlan): object[] {
  return mounts.map(({ volume, target, readonly, subPath }) => {
    const plan = spec.volumes.find(({ name }) => name === volume);
    const source = volumes[volume];
    if (plan?.kind === 'host' && (source === undefined || subPath === ''))
      return { Type: 'bind', Source: plan.path, Target: target, ReadOnly: readonly };
    return {
      Type: 'volume',
      Source: source,
      Target: target,
      ReadOnly: readonly,
      VolumeOptions: { NoCopy: true, ...(subPath === '' ? {} : { Subpath: subPath }) },
    };
  });
}
