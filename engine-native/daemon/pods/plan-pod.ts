// What to do next for a pod: from what is wanted and what is seen to one step. Pure; pod-supervisor.ts does the step and asks again.
// Containers that were started before the infra container hold on to a network that is gone: they never count as running.
import type { PodDesire } from './pod.ts';
import type { PodRestartPolicy } from './pod-spec.ts';

export interface ContainerView {
  name: string;
  status: 'missing' | 'idle' | 'running';
  /** Of the latest run, in ms since 1970; 0 = never. */
  startedAtMs: number;
  exitCode: number;
  stoppedByUser: boolean;
  /** The latest start failed. */
  startFailed: boolean;
  /** Not to be started before. */
  retryAtMs: number;
}

export interface PodView {
  desired: PodDesire;
  policy: PodRestartPolicy;
  epochMs: number;
  infra: ContainerView;
  init: ContainerView[];
  main: ContainerView[];
}

export type PodStep =
  | { do: 'start-infra' }
  | { do: 'start'; name: string }
  | { do: 'kill'; names: string[] }
  /** Somebody stopped the infra container: the pod is stopped. */
  | { do: 'halt' }
  | { do: 'stop-all' }
  | { do: 'end' }
  | { do: 'remove' }
  | { do: 'wait'; untilMs?: number };

export function planPod(view: PodView, nowMs: number): PodStep {
  const { infra, init, main, desired } = view;
  if (desired === 'creating') return { do: 'wait' };
  if (desired === 'removing' || infra.status === 'missing') return { do: 'remove' };
  const running = [...init, ...main].filter(({ status }) => status === 'running');
  if (desired !== 'running')
    return running.length > 0 || infra.status === 'running' ? { do: 'stop-all' } : { do: 'wait' };
  if (infra.status !== 'running') return planWithoutInfra(view, running, nowMs);
  const stale = running.filter(({ startedAtMs }) => startedAtMs < infra.startedAtMs);
  if (stale.length > 0) return { do: 'kill', names: stale.map(({ name }) => name) };
  return planInit(view, nowMs) ?? planMain(view, nowMs);
}

function planWithoutInfra(view: PodView, running: ContainerView[], nowMs: number): PodStep {
  const { infra, policy, epochMs } = view;
  if (infra.stoppedByUser) return { do: 'halt' };
  if (running.length > 0) return { do: 'kill', names: running.map(({ name }) => name) };
  const isFirst = infra.startedAtMs < epochMs;
  const nothingLeft = view.main.every((each) => restOf(each, view) === 'done');
  if (!isFirst && (policy === 'Never' || nothingLeft)) return { do: 'end' };
  return infra.retryAtMs > nowMs ? { do: 'wait', untilMs: infra.retryAtMs } : { do: 'start-infra' };
}

/** undefined: they are behind us. They run again, one after the other, for each new infra container. */
function planInit({ init, main, infra, policy }: PodView, nowMs: number): PodStep | undefined {
  if (main.some(({ startedAtMs }) => startedAtMs >= infra.startedAtMs)) return undefined;
  for (const each of init) {
    const hasRun = each.startedAtMs >= infra.startedAtMs;
    if (each.status === 'running') return { do: 'wait' };
    if (each.status === 'missing') return { do: 'end' };
    if (hasRun && each.exitCode === 0 && !each.startFailed) continue;
    const hasFailed = hasRun || each.startFailed;
    if (hasFailed && (policy === 'Never' || each.stoppedByUser)) return { do: 'end' };
    return each.retryAtMs > nowMs
      ? { do: 'wait', untilMs: each.retryAtMs }
      : { do: 'start', name: each.name };
  }
  return undefined;
}

function planMain(view: PodView, nowMs: number): PodStep {
  const open = view.main.filter((each) => restOf(each, view) === 'start');
  const due = open.find(({ retryAtMs }) => retryAtMs <= nowMs);
  if (due) return { do: 'start', name: due.name };
  if (open.length > 0) return { do: 'wait', untilMs: Math.min(...open.map(({ retryAtMs }) => retryAtMs)) };
  return view.main.some(({ status }) => status === 'running') ? { do: 'wait' } : { do: 'end' };
}

/** What is left for a container under the pod's restart policy. */
function restOf(
  { status, startedAtMs, startFailed, stoppedByUser, exitCode }: ContainerView,
  { policy, epochMs }: PodView,
): 'run' | 'start' | 'done' {
  if (status === 'running') return 'run';
  if (status === 'missing' || stoppedByUser) return 'done';
  if (startFailed) return policy === 'Never' ? 'done' : 'start';
  if (startedAtMs < epochMs) return 'start';
  if (policy === 'Always') return 'start';
  return policy === 'OnFailure' && exitCode !== 0 ? 'start' : 'done';
}
