// A container of a pod while it runs: where it is, and the promise of its end. Used by pod-runner.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerState } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerEnd, EngineWatch } from './engine-watch.ts';
import type { PodEngine } from './pod-engine.ts';

export interface RunningContainer {
  containerId: string;
  address: string;
  /** Of its first process, as the host sees it. */
  pid: number;
  /** Resolves with its end; undefined when the watching is over before. */
  end: Promise<ContainerEnd | undefined>;
  /** Ends the watching. */
  release: () => void;
  isAdopted: boolean;
}

/** Engine away: asked again this often; nothing is lost meanwhile, containers run on. */
export const engineRetryMs = 500;

/** Begins to watch for the end; called before a start is asked for, so that a container that ends at once is not missed. */
export function trackContainer(
  containerId: string,
  watch: EngineWatch,
  signal: AbortSignal,
  isAdopted: boolean,
): RunningContainer {
  const watching = new AbortController();
  const end = watch.waitEnd(containerId, AbortSignal.any([watching.signal, signal]));
  return { containerId, address: '', pid: 0, end, release: () => watching.abort(), isAdopted };
}

/** Reads its address and pid. False: it does not run. */
export async function locateContainer(running: RunningContainer, engine: PodEngine): Promise<boolean> {
  const detail = await engine.inspectContainer(running.containerId);
  const networks = Object.values(detail.NetworkSettings.Networks ?? {});
  running.address =
    networks.find((network) => network.IPAddress)?.IPAddress ?? detail.NetworkSettings.IPAddress ?? '';
  running.pid = detail.State.Pid;
  return detail.State.Running;
}

/** The container's state, asked until the engine answers or the signal aborts (then it counts as gone, and nobody reports it). */
export async function inspectUntilKnown(
  containerId: string,
  engine: PodEngine,
  signal: AbortSignal,
): Promise<ContainerState | 'gone'> {
  while (!signal.aborted) {
    try {
      return (await engine.inspectContainer(containerId)).State;
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return 'gone';
      await sleep(engineRetryMs, undefined, { signal }).catch(() => {});
    }
  }
  return 'gone';
}

/** SIGTERM, grace, SIGKILL; asked until the engine has done it. Gives the exit code, null when the container is gone. */
export async function stopUntilDone(
  containerId: string,
  graceSeconds: number,
  engine: PodEngine,
  signal: AbortSignal,
): Promise<number | null> {
  while (!signal.aborted) {
    try {
      await engine.stopContainer(containerId, graceSeconds);
      const state = await inspectUntilKnown(containerId, engine, signal);
      return state === 'gone' ? null : state.ExitCode;
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return null;
      await sleep(engineRetryMs, undefined, { signal }).catch(() => {});
    }
  }
  return null;
}
