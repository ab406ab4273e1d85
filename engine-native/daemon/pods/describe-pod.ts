// A pod as the API shows it, out of its record and what its containers do. Reads, changes nothing.
import type { Container } from '../containers/container.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Pod, PodMember } from './pod.ts';
import type { PodProbes } from './pod-probes.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Stopped' | 'Removing';

export interface ContainerDescription {
  Name: string;
  Id: string;
  ContainerName: string;
  Image: string;
  State: 'waiting' | 'running' | 'paused' | 'terminated' | 'removed';
  ExitCode: number;
  /** Why it waits, or why it was ended; "" = nothing to say. */
  Message: string;
  /** The probe that ended a run of it last; "" = none did. */
  LastProbeFailure: string;
  Ready: boolean;
  Restarts: number;
  StartedAt: string;
  FinishedAt: string;
}

export interface PodDescription {
  Name: string;
  Id: string;
  Created: string;
  Phase: PodPhase;
  Message: string;
  Ready: boolean;
  Labels: Record<string, string>;
  Annotations: Record<string, string>;
  Hostname: string;
  RestartPolicy: string;
  Network: string;
  IP: string;
  InfraId: string;
  Volumes: { Name: string; Volume: string }[];
  InitContainers: ContainerDescription[];
  Containers: ContainerDescription[];
}

export function describePod(pod: Pod, registry: ContainerRegistry, probes: PodProbes): PodDescription {
  const { record } = pod;
  const { spec } = record;
  const infra = registry.find(record.infraId || '-');
  const describe = (member: PodMember) => describeMember(member, pod, registry, probes);
  const main = record.members.filter(({ isInit }) => !isInit).map(describe);
  return {
    Name: spec.name,
    Id: record.id,
    Created: record.created,
    Phase: phaseOf(pod, main, infra),
    Message: record.message || pod.history(record.infraId).startError,
    Ready: infra?.isRunning === true && main.every((each) => each.Ready),
    Labels: spec.labels,
    Annotations: spec.annotations,
    Hostname: spec.hostname,
    RestartPolicy: spec.restartPolicy,
    Network: record.network,
    IP: infra?.endpoints[0]?.address ?? '',
    InfraId: record.infraId,
    Volumes: Object.entries(record.volumes).map(([Name, Volume]) => ({ Name, Volume })),
    InitContainers: record.members.filter(({ isInit }) => isInit).map(describe),
    Containers: main,
  };
}

/** Stopped and ended pods say how they went; a pod runs from the moment its last container was started for the first time. */
function phaseOf(
  { record: { desired, epoch } }: Pod,
  main: ContainerDescription[],
  infra: Container | undefined,
): PodPhase {
  if (desired === 'removing') return 'Removing';
  if (desired === 'stopped') return 'Stopped';
  if (desired === 'ended')
    return main.every(({ State, ExitCode }) => State === 'terminated' && ExitCode === 0)
      ? 'Succeeded'
      : 'Failed';
  const hasStarted = ({ StartedAt }: ContainerDescription) => Date.parse(StartedAt) >= Date.parse(epoch);
  return infra?.isRunning === true && main.every(hasStarted) ? 'Running' : 'Pending';
}

function describeMember(
  { name, containerId }: PodMember,
  pod: Pod,
  registry: ContainerRegistry,
  probes: PodProbes,
): ContainerDescription {
  const container = registry.find(containerId);
  const plans = [...pod.record.spec.initContainers, ...pod.record.spec.containers];
  const { startError, endReason } = pod.history(containerId);
  const life = container?.record.life;
  return {
    Name: name,
    Id: containerId,
    ContainerName: container?.record.name ?? '',
    Image: plans.find((plan) => plan.name === name)?.image ?? '',
    State: stateOf(container),
    ExitCode: life?.exitCode ?? 0,
    Message: startError || (life?.error ?? ''),
    LastProbeFailure: endReason,
    Ready: container?.isRunning === true && probes.isReady(containerId),
    Restarts: life?.restartCount ?? 0,
    StartedAt: life?.startedAt ?? '',
    FinishedAt: life?.finishedAt ?? '',
  };
}

function stateOf(container: Container | undefined): ContainerDescription['State'] {
  if (!container || container.status === 'removing') return 'removed';
  if (container.status === 'paused') return 'paused';
  if (container.isRunning) return 'running';
  return container.record.life.startedAt === '' ? 'waiting' : 'terminated';
}
