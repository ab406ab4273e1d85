// All pods of this host: turns desired updates into runners, adopts what runs already, and stops what nobody wants.
// Must never stop a container because of the set on disk alone: only the controller's whole set may call one an orphan.
import { uptime } from 'node:os';
import type { ContainerSummary } from '@berth/clients/engine-types.ts';
import type { DesiredUpdate, ObservedInstance, Pod } from '@berth/contract/instance.ts';
import { ExitedContainers } from './exited-containers.ts';
import { appNetwork, labels } from './pod-container.ts';
import { type Adopted, PodRunner, type RunnerDeps } from './pod-runner.ts';
import { unseenInstance } from './pod-state.ts';

export type PodSetDeps = Omit<RunnerDeps, 'onEnded'> & { bootedAtMs?: () => number };

/** SIGTERM to SIGKILL for a container whose pod nobody knows any more. */
const orphanGraceSeconds = 10;

export class PodSet {
  readonly #deps: PodSetDeps;
  readonly #runners = new Map<string, PodRunner>();
  /** Pods on their way out that the controller does not list any more. */
  readonly #leaving = new Set<PodRunner>();
  readonly #exited: ExitedContainers;
  /** Containers that were there when the agent started, by instance, newest first; each is adopted at most once. */
  #found = new Map<string, ContainerSummary[]>();

  constructor(deps: PodSetDeps) {
    this.#deps = deps;
    this.#exited = new ExitedContainers(deps.engine, deps.log, (id) => this.#isInUse(id));
  }

  /** Looks at what the engine has. To be called once, before any pod is applied. */
  async findContainers(): Promise<void> {
    const containers = await this.#deps.engine.listContainers({ all: true, labels: [labels.instance] });
    const found = new Map<string, ContainerSummary[]>();
    for (const container of containers) {
      const instanceId = container.Labels[labels.instance];
      if (instanceId) found.set(instanceId, [...(found.get(instanceId) ?? []), container]);
    }
    for (const list of found.values())
      list.sort(
        (a, b) => Number(b.State === 'running') - Number(a.State === 'running') || b.Created - a.Created,
      );
    this.#found = found;
  }

  async ensureNetwork(): Promise<void> {
    await this.#deps.engine.ensureNetwork({
      Name: appNetwork,
      Driver: 'bridge',
      Options: { 'com.docker.network.bridge.enable_icc': 'false', 'berth.egress': 'open' },
    });
  }

  /** The set on disk: starts and adopts, stops nothing that it does not know. One-offs are only adopted: they must not run twice. */
  applyDisk(pods: readonly Pod[]): void {
    for (const pod of pods) if (pod.oneOff === null || this.#found.has(pod.id)) this.#set(pod);
  }

  applyUpdate(update: DesiredUpdate): void {
    if (update.full) {
      const wanted = new Set(update.pods.map((pod) => pod.id));
      for (const id of [...this.#runners.keys()]) if (!wanted.has(id)) this.#remove(id);
      for (const pod of update.pods) this.#set(pod);
      void this.#stopOrphans(wanted);
      return;
    }
    for (const pod of update.set) this.#set(pod);
    for (const id of update.remove) this.#remove(id);
  }

  get pods(): Pod[] {
    return [...this.#runners.values()].map((runner) => runner.pod);
  }

  observed(): ObservedInstance[] {
    return [...this.#runners.values()].map((runner) => runner.observed);
  }

  /** Every adopted container has been looked at (or that took too long). */
  async settled(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.settled));
  }

  /** Lets go of everything; containers run on. The agent's signal must be aborted before. */
  async close(): Promise<void> {
    this.#exited.close();
    await Promise.all([...this.#runners.values(), ...this.#leaving].map((runner) => runner.done));
  }

  #set(pod: Pod): void {
    const runner = this.#runners.get(pod.id);
    if (runner) {
      runner.pod.desired = pod.desired; // the rest of a pod never changes
      if (pod.desired === 'stopped') runner.stop();
      return;
    }
    const adopted = this.#adoptable(pod);
    if (pod.desired === 'stopped' && !adopted) {
      // never heard of it, and nothing of it is here: its end is true already
      this.#deps.onChange({ ...unseenInstance(pod.id), state: 'stopped' });
      return;
    }
    const onEnded = () => this.#exited.sweepSoon();
    this.#runners.set(pod.id, new PodRunner(pod, { ...this.#deps, onEnded }, adopted));
  }

  #remove(id: string): void {
    const runner = this.#runners.get(id);
    if (!runner) return;
    this.#runners.delete(id);
    runner.stop();
    this.#leaving.add(runner);
    void runner.done.then(() => {
      this.#leaving.delete(runner);
      this.#exited.sweepSoon();
    });
  }

  #adoptable(pod: Pod): Adopted | undefined {
    const [newest] = this.#found.get(pod.id) ?? [];
    this.#found.delete(pod.id);
    // one that was created and never started is swept; a fresh one takes its place
    if (!newest || newest.State === 'created') return undefined;
    const bootedAtMs = this.#deps.bootedAtMs?.() ?? Date.now() - uptime() * 1000;
    const isRunning = newest.State === 'running' || newest.State === 'paused';
    return {
      containerId: newest.Id,
      crashes: Number(newest.Labels[labels.crashes] ?? 0) || 0,
      isRunning,
      endedByReboot: !isRunning && newest.Created * 1000 < bootedAtMs,
    };
  }

  #isInUse(containerId: string): boolean {
    for (const runner of [...this.#runners.values(), ...this.#leaving])
      if (runner.containerId === containerId && runner.observed.state !== 'stopped') return true;
    return false;
  }

  async #stopOrphans(wanted: ReadonlySet<string>): Promise<void> {
    const { engine, log } = this.#deps;
    try {
      for (const container of await engine.listContainers({ all: false, labels: [labels.instance] })) {
        const instanceId = container.Labels[labels.instance] ?? '';
        // a delta may have brought it since, or its runner may be ending it properly
        if (wanted.has(instanceId) || this.#runners.has(instanceId) || this.#isInUse(container.Id)) continue;
        log.warn({ container: container.Id, instance: instanceId }, 'orphan container stopped');
        await engine.stopContainer(container.Id, orphanGraceSeconds);
      }
      this.#exited.sweepSoon();
    } catch (err) {
      log.warn({ err }, 'search for orphans failed'); // the next whole set looks again
    }
  }
}
