// Containers as Docker's API shows them: inspect, list, stats, top. Reads records and /proc; changes nothing.
import { readText } from '../networks/host-network.ts';
import type { Networks } from '../networks/networks.ts';
import { cgroupPids } from './cgroup-cleanup.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { commandOf } from './merge-image-config.ts';
import { describeMounts } from './mount-specs.ts';

const never = '0001-01-01T00:00:00Z';

export function inspectContainer(container: Container, files: ContainerFiles, networks: Networks): object {
  const { record, id } = container;
  const [path = '', ...args] = commandOf(record.config);
  const dir = files.stateDir(id);
  return {
    Id: id,
    Created: record.created,
    Path: path,
    Args: args,
    State: stateOf(container),
    Image: record.imageId,
    ResolvConfPath: `${dir}/resolv.conf`,
    HostnamePath: `${dir}/hostname`,
    HostsPath: `${dir}/hosts`,
    LogPath: files.logPath(id),
    Name: `/${record.name}`,
    RestartCount: record.life.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: container.execIds.size > 0 ? [...container.execIds] : null,
    HostConfig: record.hostConfig,
    GraphDriver: { Name: 'overlay2', Data: { UpperDir: `${dir}/upper` } },
    Mounts: describeMounts(container.record),
    Config: record.config,
    NetworkSettings: networkSettings(container, networks),
  };
}

function stateOf(container: Container): object {
  const { status, record, pid } = container;
  const { life } = record;
  return {
    Status: status,
    Running: container.isRunning,
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: life.oomKilled,
    Dead: false,
    Pid: pid,
    ExitCode: life.exitCode,
    Error: life.error,
    StartedAt: life.startedAt || never,
    FinishedAt: life.finishedAt || never,
  };
}

function networkSettings(container: Container, networks: Networks): object {
  const { endpoint, record } = container;
  const mode = record.hostConfig.NetworkMode;
  const isNamed = !mode.startsWith('container:');
  const id = endpoint?.networkId ?? (isNamed ? (networks.find(mode)?.id ?? '') : '');
  const attached = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: endpoint?.mac ?? '',
    NetworkID: id,
    EndpointID: endpoint ? container.id : '',
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefix ?? 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
  return {
    Bridge: '',
    SandboxID: container.isRunning ? container.id : '',
    SandboxKey: container.pid > 0 ? `/proc/${container.pid}/ns/net` : '',
    Ports: {},
    EndpointID: attached.EndpointID,
    Gateway: attached.Gateway,
    IPAddress: attached.IPAddress,
    IPPrefixLen: attached.IPPrefixLen,
    MacAddress: attached.MacAddress,
    Networks: isNamed ? { [endpoint?.networkName ?? mode]: attached } : {},
  };
}

export function summariseContainer(container: Container, networks: Networks): object {
  const { record, status } = container;
  return {
    Id: container.id,
    Names: [`/${record.name}`],
    Image: record.imageRef,
    ImageID: record.imageId,
    Command: commandOf(record.config).join(' '),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: [],
    Labels: record.config.Labels,
    State: status,
    Status: statusText(container, Date.now()),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode },
    NetworkSettings: { Networks: (networkSettings(container, networks) as { Networks: object }).Networks },
    Mounts: describeMounts(container.record),
  };
}

/** "Up 3 minutes", "Exited (1) 2 hours ago": what `docker ps` prints. */
export function statusText({ status, record }: Container, nowMs: number): string {
  const { life } = record;
  if (status === 'created') return 'Created';
  if (status === 'removing') return 'Removal In Progress';
  const since = (moment: string) => spokenDuration(nowMs - Date.parse(moment));
  if (status === 'running') return `Up ${since(life.startedAt)}`;
  if (status === 'paused') return `Up ${since(life.startedAt)} (Paused)`;
  if (status === 'restarting') return `Restarting (${life.exitCode}) ${since(life.finishedAt)} ago`;
  return life.finishedAt === '' ? 'Created' : `Exited (${life.exitCode}) ${since(life.finishedAt)} ago`;
}

export function spokenDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  return days < 730 ? `${Math.floor(days / 30)} months` : `${Math.floor(days / 365)} years`;
}

const clockTicks = 100; // USER_HZ is 100 on every architecture Linux runs on

export function topContainer(cgroup: string): { Titles: string[]; Processes: string[][] } {
  const uptime = Number(readText('/proc/uptime').split(' ')[0] ?? 0);
  const processes = cgroupPids(cgroup).flatMap((pid) => {
    const stat = readText(`/proc/${pid}/stat`);
    if (stat === '') return [];
    // The command name may hold spaces and brackets; what follows the last bracket is plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const uid = /^Uid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? '?';
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const command = readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() || `[${name}]`;
    const cpuSeconds = Math.floor((Number(fields[11]) + Number(fields[12])) / clockTicks);
    const startedMs = Date.now() - (uptime - Number(fields[19]) / clockTicks) * 1000;
    const started = new Date(startedMs).toTimeString().slice(0, 5);
    return [[uid, String(pid), fields[1] ?? '', '0', started, '?', clockText(cpuSeconds), command]];
  });
  return { Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'], Processes: processes };
}

function clockText(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}
