// Keeps every pod as it is wanted: looks, plans one step (plan-pod.ts), does it, looks again. Woken by the engine's events, by timers and by the
// API; found again from the records by the next daemon. Loaded when there is a pod, so that an engine without one does not pay for it.
import { AppError } from '@berth/kit/errors.ts';
import type { EngineEvent } from '../events.ts';
import { createPod, freshRecord } from './create-pod.ts';
import { describePod, type PodDescription } from './describe-pod.ts';
import { Pod, type PodCondition } from './pod.ts';
import { PodFiles } from './pod-files.ts';
import type { PodParts } from './pod-parts.ts';
import { PodProbes } from './pod-probes.ts';
import type { PodSpec } from './pod-spec.ts';
import { PodSteps } from './pod-steps.ts';
import { limitedVolumes } from './pod-volumes.ts';
import { type Asker, pullImages } from './pull-images.ts';

const retryMs = 1_000; // a step that failed for a reason of the engine's own (a full disk, a helper that restarts)
const lookAtVolumesMs = 5_000; // often enough for a limit on disk, seldom enough to cost nothing
const wakingActions = new Set(['start', 'die', 'destroy', 'pause', 'unpause']);

export interface PodRequest {
  spec: PodSpec;
  network: string;
  replace: boolean;
  /** Seconds for the pod that is replaced; undefined: its manifest's. */
  graceSeconds: number | undefined;
  asker: Asker;
}

export class PodSupervisor {
  readonly #parts: PodParts;
  readonly #files: PodFiles;
  readonly #probes: PodProbes;
  readonly #steps: PodSteps;
  readonly #pods = new Map<string, Pod>();
  readonly #unsubscribe: () => void;
  readonly #volumeTimer: NodeJS.Timeout;
  #isClosed = false;

  constructor(parts: PodParts) {
    this.#parts = parts;
    this.#files = new PodFiles(parts.root);
    this.#probes = new PodProbes(parts);
    this.#steps = new PodSteps(parts, this.#files);
    this.#unsubscribe = parts.events.subscribe((event) => this.#onEvent(event));
    this.#volumeTimer = setInterval(() => void this.#lookAtVolumes(), lookAtVolumesMs);
    this.#volumeTimer.unref();
  }

  /** What an earlier daemon left: half-made pods go, the others go on. Containers were adopted before. */
  recover(): void {
    for (const record of this.#files.loadAll()) {
      const pod = new Pod(record);
      this.#pods.set(pod.name, pod);
      if (record.desired === 'creating') record.desired = 'removing';
      else this.#probes.follow(pod, true);
      this.#wake(pod);
    }
  }

  list(): PodDescription[] {
    return [...this.#pods.values()].map((pod) => this.describe(pod));
  }

  describe(pod: Pod): PodDescription {
    return describePod(pod, this.#parts.registry, this.#probes);
  }

  get(name: string): Pod {
    const pod =
      this.#pods.get(name) ??
      (/^[0-9a-f]{12,64}$/.test(name)
        ? [...this.#pods.values()].find(({ record }) => record.id.startsWith(name))
        : undefined);
    if (!pod) throw new AppError('not_found', `no such pod "${name}"`, { hint: 'see berth-engine pod ls' });
    return pod;
  }

  async create({ spec, network, replace, graceSeconds, asker }: PodRequest): Promise<Pod> {
    this.#checkName(spec.name, replace);
    this.#parts.networks.get(network);
    await pullImages([...spec.initContainers, ...spec.containers], asker, this.#parts);
    const old = this.#pods.get(spec.name);
    if (old && replace) await this.remove(old, { force: true, graceSeconds });
    this.#checkName(spec.name, false); // two at once: the second one is refused
    const pod = new Pod(freshRecord(spec, network));
    this.#pods.set(pod.name, pod);
    try {
      await pod.exclusive(() => createPod(pod.record, this.#files, this.#parts));
    } catch (error) {
      this.#forget(pod);
      throw error;
    }
    this.#wake(pod);
    return pod;
  }

  async start(pod: Pod): Promise<void> {
    await pod.exclusive(() => this.#steps.begin(pod));
    await this.#converge(pod);
  }

  /** Resolves when nothing of it runs any more. */
  async stop(pod: Pod, graceSeconds: number | undefined): Promise<void> {
    await pod.settled();
    if (pod.record.desired === 'running') {
      pod.record.desired = 'stopped';
      this.#files.save(pod.record);
    }
    pod.graceSeconds = graceSeconds;
    await this.#converge(pod);
  }

  async remove(
    pod: Pod,
    { force, graceSeconds }: { force: boolean; graceSeconds: number | undefined },
  ): Promise<void> {
    await pod.settled();
    if (pod.record.desired === 'running' && !force)
      throw new AppError('conflict', `pod "${pod.name}" is running`, {
        hint: 'stop it first, or remove it with force',
      });
    if (pod.record.desired === 'running') await this.stop(pod, graceSeconds);
    pod.record.desired = 'removing';
    this.#files.save(pod.record);
    await this.#converge(pod);
  }

  /** Resolves with what the pod is like when the condition holds; `started` also when a container cannot be started or an init container has failed. */
  async wait(pod: Pod, condition: PodCondition, signal: AbortSignal): Promise<PodDescription> {
    const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    for (;;) {
      const now = this.describe(pod);
      if (pod.isGone || signal.aborted || isMet(condition, now, pod)) return now;
      await Promise.race([pod.changed, gone]);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    clearInterval(this.#volumeTimer);
    this.#probes.stopAll();
    for (const { timer } of this.#pods.values()) clearTimeout(timer);
  }

  #checkName(name: string, replace: boolean): void {
    const known = this.#pods.get(name);
    if (!known || replace) return;
    throw new AppError('conflict', `the pod name "${name}" is already in use`, {
      hint: 'remove that pod, replace it, or choose another name',
    });
  }

  #onEvent({ Type, Action, Actor }: EngineEvent): void {
    if (Type !== 'container' || !wakingActions.has(Action)) return;
    for (const pod of this.#pods.values()) {
      const { infraId, members } = pod.record;
      const isOurs = infraId === Actor.ID || members.some(({ containerId }) => containerId === Actor.ID);
      // After whoever told of it has finished: a container's own state is set around its event.
      if (isOurs) setImmediate(() => this.#wake(pod));
    }
  }

  #wake(pod: Pod): void {
    if (this.#isClosed || pod.isGone) return;
    this.#converge(pod).catch((err: unknown) => {
      this.#parts.log.warn({ err, pod: pod.name }, 'pod cannot be brought to what is wanted of it');
      this.#wakeAt(pod, Date.now() + retryMs);
    });
  }

  #wakeAt(pod: Pod, atMs: number): void {
    clearTimeout(pod.timer);
    pod.timer = setTimeout(() => this.#wake(pod), Math.max(1, atMs - Date.now()));
  }

  /** Step by step until there is nothing to do now. */
  #converge(pod: Pod): Promise<void> {
    return pod.exclusive(async () => {
      for (;;) {
        if (this.#isClosed || pod.isGone) return;
        const step = this.#steps.next(pod);
        this.#probes.follow(pod);
        pod.tellChange();
        if (step.do === 'wait') {
          if (step.untilMs !== undefined) this.#wakeAt(pod, step.untilMs);
          return;
        }
        await this.#steps.take(pod, step);
        if (step.do === 'remove') this.#forget(pod);
      }
    });
  }

  #forget(pod: Pod): void {
    pod.isGone = true;
    clearTimeout(pod.timer);
    this.#probes.follow(pod);
    if (this.#pods.get(pod.name) === pod) this.#pods.delete(pod.name);
    pod.tellChange();
  }

  /** A pod that outgrew an emptyDir's sizeLimit is ended, as Kubernetes evicts it. */
  async #lookAtVolumes(): Promise<void> {
    for (const pod of this.#pods.values()) {
      if (pod.record.desired !== 'running') continue;
      for (const { name, volume, limit } of limitedVolumes(pod.record)) {
        const used = await this.#parts.volumes.usage(volume).catch(() => 0);
        if (used <= limit || pod.record.desired !== 'running') continue;
        pod.record.message = `volume "${name}" holds more than its sizeLimit of ${limit} bytes`;
        this.#parts.log.warn(
          { pod: pod.name, volume: name, used, limit },
          'pod is ended: a volume is too large',
        );
        pod.record.desired = 'ended';
        this.#files.save(pod.record);
        this.#wake(pod);
      }
    }
  }
}

function isMet(condition: PodCondition, { Phase, InitContainers }: PodDescription, pod: Pod): boolean {
  const isOver = Phase !== 'Pending' && Phase !== 'Running';
  if (condition === 'ended') return isOver;
  const cannotStart = [...pod.histories.values()].some(({ startError }) => startError !== '');
  const isHeldUp = InitContainers.some(({ State, ExitCode }) => State === 'terminated' && ExitCode !== 0);
  return isOver || Phase === 'Running' || cannotStart || isHeldUp;
}
