// Containers as Docker's API shows them: inspect, list, stats, top. Reads records and /proc; changes nothing.
import type { Networks } from '../networks/networks.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { describeEndpoints, describeNetworkSettings, summarisePorts } from './describe-networks.ts';
import { healthText } from './health.ts';
import { commandOf } from './merge-image-config.ts';
import { describeMounts } from './mount-specs.ts';
import { shownHostConfig } from './shown-host-config.ts';

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
    HostConfig: shownHostConfig(record),
    GraphDriver: { Name: 'overlay2', Data: { UpperDir: `${dir}/upper` } },
    Mounts: describeMounts(container.record),
    Config: { OnBuild: null, ...record.config },
    NetworkSettings: describeNetworkSettings(container, networks),
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
    ...(container.health ? { Health: container.health } : {}),
  };
}

export function summariseContainer(container: Container, networks: Networks): object {
  const { record, status } = container;
  return {
    Id: container.id,
    Names: [`/${record.name}`],
    Image: record.imageRef,
    ImageID: record.imageId,
    Command: shellWords(commandOf(record.config)),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: summarisePorts(container),
    Labels: record.config.Labels,
    State: status,
    Status: statusText(container, Date.now()),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode },
    NetworkSettings: { Networks: describeEndpoints(container, networks) },
    Mounts: describeMounts(container.record),
  };
}

/** As Docker writes a command line: an argument that holds a space or is empty in single quotes. */
function shellWords(words: string[]): string {
  return words.map((word) => (word === '' || word.includes(' ') ? `'${word}'` : word)).join(' ');
}

/** "Up 3 minutes", "Exited (1) 2 hours ago": what `docker ps` prints. */
export function statusText({ status, record, health }: Container, nowMs: number): string {
  const { life } = record;
  if (status === 'created') return 'Created';
  if (status === 'removing') return 'Removal In Progress';
  const since = (moment: string) => spokenDuration(nowMs - Date.parse(moment));
  if (status === 'running') return `Up ${since(life.startedAt)}${healthText(health)}`;
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
