// What pod-supervisor.ts does to a pod, one step at a time: the view that a step is planned from, and the steps themselves. Each step leaves the
// pod in a state from which the next daemon could go on.
import type { Container } from '../containers/container.ts';
import { healthyRunMs, restartDelayMs } from '../containers/restart-policy.ts';
import { startContainer } from '../containers/start-container.ts';
import { killContainerNow, stopContainer } from '../containers/stop-container.ts';
import { startFailureText } from '../runtime/runtime-failure.ts';
import { discardPod, makeContainers, startInfra } from './create-pod.ts';
import { stopMember } from './end-container.ts';
import { type ContainerView, type PodStep, type PodView, planPod } from './plan-pod.ts';
import type { Pod } from './pod.ts';
import type { PodFiles } from './pod-files.ts';
import type { PodParts } from './pod-parts.ts';

export class PodSteps {
  readonly #parts: PodParts;
  readonly #files: PodFiles;

  constructor(parts: PodParts, files: PodFiles) {
    this.#parts = parts;
    this.#files = files;
  }

  next(pod: Pod): PodStep {
    return planPod(this.#view(pod), Date.now());
  }

  /** A start on a user's word: everything begins anew, and what is missing is made again. */
  async begin(pod: Pod): Promise<void> {
    const { record } = pod;
    if (record.desired === 'running' || record.desired === 'removing') return;
    await this.#stopAll(pod);
    await makeContainers(record, this.#parts);
    for (const container of this.#containers(pod)) {
      container.record.life.stoppedByUser = false;
      container.record.life.restartCount = 0;
      this.#parts.files.saveLife(container.record);
    }
    pod.histories.clear();
    pod.graceSeconds = undefined;
    Object.assign(record, { desired: 'running', epoch: new Date().toISOString(), message: '' });
    this.#files.save(record);
  }

  async take(pod: Pod, step: Exclude<PodStep, { do: 'wait' }>): Promise<void> {
    const { record } = pod;
    switch (step.do) {
      case 'start-infra':
        return this.#tryStart(pod, record.infraId, () => startInfra(record, this.#parts));
      case 'start':
        return this.#startMember(pod, step.name);
      case 'kill':
        for (const name of step.names) await this.#kill(this.#member(pod, name));
        return;
      case 'halt':
        record.desired = 'stopped';
        return this.#files.save(record);
      case 'end':
        record.desired = 'ended';
        return this.#files.save(record);
      case 'stop-all':
        return this.#stopAll(pod);
      case 'remove':
        await discardPod(record, this.#parts);
        return this.#files.remove(record);
    }
  }

  async #startMember(pod: Pod, name: string): Promise<void> {
    const container = this.#member(pod, name);
    if (!container) return;
    const { life } = container.record;
    const isAgain = life.startedAt !== '' && Date.parse(life.startedAt) >= Date.parse(pod.record.epoch);
    if (isAgain) life.restartCount += 1;
    life.stoppedByUser = false; // of an earlier run: the plan has looked at it
    await this.#tryStart(pod, container.id, async () => {
      await startContainer(container, this.#parts, false);
    });
  }

  /** A start that fails is tried again later, by the restart policy. */
  async #tryStart(pod: Pod, containerId: string, start: () => Promise<void>): Promise<void> {
    const history = pod.history(containerId);
    try {
      await start();
      history.startError = '';
    } catch (err) {
      history.startError = startFailureText(err);
      history.retryAtMs = Date.now() + restartDelayMs(history.failures);
      history.failures += 1;
      this.#parts.log.warn(
        { err, pod: pod.name, container: containerId },
        'container of a pod cannot be started',
      );
    }
  }

  /** Not on a user's word: the restart policy starts it again. */
  async #kill(container: Container | undefined): Promise<void> {
    if (!container?.isRunning) return;
    await killContainerNow(container, this.#parts);
    container.record.life.stoppedByUser = false;
    this.#parts.files.saveLife(container.record);
  }

  async #stopAll(pod: Pod): Promise<void> {
    const { spec, members, infraId } = pod.record;
    const graceSeconds = pod.graceSeconds ?? spec.graceSeconds;
    await Promise.all(
      members.map(async ({ name, containerId }) => {
        const container = this.#parts.registry.find(containerId);
        const plan = spec.containers.find((one) => one.name === name);
        if (container?.isRunning) await stopMember(container, plan, graceSeconds, this.#parts);
      }),
    );
    const infra = this.#parts.registry.find(infraId);
    if (infra?.isRunning) await stopContainer(infra, this.#parts);
  }

  #member(pod: Pod, name: string): Container | undefined {
    const member = pod.record.members.find((one) => one.name === name);
    return member && this.#parts.registry.find(member.containerId);
  }

  #containers({ record }: Pod): Container[] {
    return [record.infraId, ...record.members.map(({ containerId }) => containerId)]
      .map((id) => this.#parts.registry.find(id))
      .filter((container) => container !== undefined);
  }

  #view(pod: Pod): PodView {
    const { record } = pod;
    const viewOf = (name: string, containerId: string) =>
      viewContainer(name, this.#parts.registry.find(containerId || '-'), pod, containerId);
    const members = record.members.map((one) => ({ ...one, view: viewOf(one.name, one.containerId) }));
    return {
      desired: record.desired,
      policy: record.spec.restartPolicy,
      epochMs: Date.parse(record.epoch),
      infra: viewOf('infra', record.infraId),
      init: members.filter(({ isInit }) => isInit).map(({ view }) => view),
      main: members.filter(({ isInit }) => !isInit).map(({ view }) => view),
    };
  }
}

function viewContainer(
  name: string,
  container: Container | undefined,
  pod: Pod,
  containerId: string,
): ContainerView {
  const history = pod.history(containerId);
  const life = container?.record.life;
  if (container && life && !container.isRunning) countExit(history, life);
  const isMissing = !container || container.status === 'removing';
  return {
    name,
    status: isMissing ? 'missing' : container.isRunning ? 'running' : 'idle',
    startedAtMs: Date.parse(life?.startedAt ?? '') || 0,
    exitCode: life?.exitCode ?? 0,
    stoppedByUser: life?.stoppedByUser ?? false,
    startFailed: history.startError !== '',
    retryAtMs: history.retryAtMs,
  };
}

/** Each exit counts once: the next start waits twice as long, after a run that was long enough not at all. */
function countExit(
  history: ReturnType<Pod['history']>,
  { startedAt, finishedAt }: Container['record']['life'],
): void {
  if (finishedAt === '' || history.countedExit === finishedAt) return;
  history.countedExit = finishedAt;
  const endedMs = Date.parse(finishedAt);
  if (endedMs - Date.parse(startedAt) >= healthyRunMs) history.failures = 0;
  history.retryAtMs = endedMs + restartDelayMs(history.failures);
  history.failures += 1;
}
