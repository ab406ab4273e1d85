// Who of a pod is being probed: one prober a run of a container that has probes. Told by pod-supervisor.ts after each change of a pod.
import type { Container } from '../containers/container.ts';
import { publishContainer } from '../containers/describe-event.ts';
import { ContainerProber } from './container-prober.ts';
import { endMember } from './end-container.ts';
import type { Pod } from './pod.ts';
import type { PodParts } from './pod-parts.ts';

interface Watched {
  prober: ContainerProber;
  /** Which run it is about. */
  startedAt: string;
  container: Container;
}

export class PodProbes {
  readonly #parts: PodParts;
  readonly #watched = new Map<string, Watched>();

  constructor(parts: PodParts) {
    this.#parts = parts;
  }

  /** Begins probes for runs that are new and ends those of runs that are over. `wasAdopted`: they are older than this daemon. */
  follow(pod: Pod, wasAdopted = false): void {
    const { registry } = this.#parts;
    for (const { containerId, isInit, name } of pod.record.members) {
      const container = registry.find(containerId);
      const startedAt = container?.isRunning && !pod.isGone ? container.record.life.startedAt : '';
      const known = this.#watched.get(containerId);
      if (known && known.startedAt !== startedAt) this.#stop(containerId, known);
      if (isInit || !container || startedAt === '' || this.#watched.has(containerId)) continue;
      const plan = pod.record.spec.containers.find((one) => one.name === name);
      if (!plan) continue;
      const prober = new ContainerProber(
        container,
        plan,
        {
          address: () => registry.find(pod.record.infraId)?.endpoints[0]?.address ?? '',
          changed: () => {
            this.#parts.files.saveLife(container.record);
            publishContainer(this.#parts.events, container, `health_status: ${container.health?.Status}`);
            pod.tellChange();
          },
          failed: (why) => void this.#end(pod, container, plan, why),
        },
        wasAdopted && container.record.life.health === 'healthy',
      );
      this.#watched.set(containerId, { prober, startedAt, container });
    }
  }

  isReady(containerId: string): boolean {
    return this.#watched.get(containerId)?.prober.isReady ?? false;
  }

  stopAll(): void {
    for (const [id, one] of this.#watched) this.#stop(id, one);
  }

  async #end(
    pod: Pod,
    container: Container,
    plan: Parameters<typeof endMember>[1],
    why: string,
  ): Promise<void> {
    const { log } = this.#parts;
    log.warn({ pod: pod.name, container: container.id, why }, 'container is ended by its probe');
    pod.history(container.id).endReason = why;
    container.killReason = why;
    try {
      await endMember(container, plan, pod.record.spec.graceSeconds);
    } catch (err) {
      log.warn({ err, container: container.id }, 'container cannot be ended');
    }
  }

  #stop(id: string, { prober }: Watched): void {
    prober.stop();
    this.#watched.delete(id);
  }
}
