// What follows when a container has ended, or turned out to have ended: records, events, waiters, restart policy, auto-remove.
// Called by watch (a living shim answered `wait`), by failed starts and by recovery. Must never throw: nobody is there to catch.
import type { Logger } from '@berth/kit/logging.ts';
import type { Events } from '../events.ts';
import type { Networks } from '../networks/networks.ts';
import type { ExitRecord, Shim } from '../runtime/shim.ts';
import { releaseVolumes, type VolumeUseParts } from '../volumes/use-volumes.ts';
import { destroyCgroup } from './cgroup-cleanup.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { leaveNetworks } from './container-networks.ts';
import { publishContainer, publishNetwork } from './describe-event.ts';
import { connectLiving } from './find-shim.ts';
import type { HealthMonitors } from './health.ts';
import { healthyRunMs, restartDelayMs, shouldRestart } from './restart-policy.ts';

const reconnectLimitMs = 10_000; // a shim that lives but takes no connection for this long is stopped: its container is ended

export interface FinishParts extends VolumeUseParts {
  networks: Networks;
  files: ContainerFiles;
  events: Events;
  health: HealthMonitors;
  log: Logger;
  cgroupOf: (id: string) => string;
  /** Starts it again under its restart policy. */
  restart: (container: Container) => Promise<void>;
  /** Removes it after its end (AutoRemove). */
  remove: (container: Container) => Promise<void>;
}

export class ContainerFinisher {
  readonly #parts: FinishParts;
  #stopping = false;

  constructor(parts: FinishParts) {
    this.#parts = parts;
  }

  /** The daemon ends: containers live on, and nothing is restarted or removed in their name any more. */
  stopWatching(): void {
    this.#stopping = true;
    this.#parts.health.stopAll();
  }

  /** Follows a shim until its container has ended. */
  watch(container: Container, shim: Shim, wasAdopted = false): void {
    this.#parts.health.begin(container, wasAdopted);
    shim.wait().then(
      (exit) => this.finish(container, exit),
      () => void this.#onLostShim(container, shim),
    );
  }

  /** The connection broke without an exit: the shim died, or only its socket did. */
  async #onLostShim(container: Container, shim: Shim): Promise<void> {
    if (this.#stopping || container.shim !== shim) return;
    const again = await connectLiving(this.#parts.files.runDir(container.id), reconnectLimitMs);
    if (!again) {
      this.finish(container, await this.exitOfDeadShim(container.id));
      return;
    }
    container.shim = again;
    this.watch(container, again);
  }

  /** The exit record a shim left, or, when it left none, an end that is made true: every process of the container is killed. */
  async exitOfDeadShim(id: string): Promise<ExitRecord> {
    const written = this.#parts.files.exitRecord(id);
    await destroyCgroup(this.#parts.cgroupOf(id));
    const late = written ?? this.#parts.files.exitRecord(id);
    return late ?? { exitCode: 137, signal: 9, oomKilled: false, finishedAt: new Date().toISOString() };
  }

  finish(container: Container, exit: ExitRecord): void {
    if (this.#stopping || !container.isRunning) return;
    const { networks, files, events, health, log } = this.#parts;
    container.shim?.close();
    container.shim = undefined;
    container.pid = 0;
    container.status = 'exited';
    health.end(container);
    const left = container.endpoints;
    leaveNetworks(container, networks);
    const { life } = container.record;
    life.exitCode = exit.exitCode;
    life.oomKilled = exit.oomKilled;
    life.finishedAt = exit.finishedAt;
    life.error = container.endReason = container.killReason;
    container.killReason = '';
    releaseVolumes(container, this.#parts);
    files.clearRun(container.id);
    const atMs = Date.parse(exit.finishedAt) || Date.now();
    if (exit.oomKilled) publishContainer(events, container, 'oom', {}, atMs);
    const execDuration = String(Math.max(0, Math.floor((atMs - Date.parse(life.startedAt)) / 1000) || 0));
    publishContainer(events, container, 'die', { exitCode: String(exit.exitCode), execDuration }, atMs);
    for (const { networkId, networkName } of left)
      publishNetwork(events, 'disconnect', { id: networkId, name: networkName }, container);
    const willRestart = shouldRestart(container.record);
    if (willRestart) container.status = 'restarting';
    files.saveLife(container.record);
    container.settle('next-exit');
    if (willRestart) {
      this.#scheduleRestart(container, atMs);
      return;
    }
    container.settle('not-running');
    if (!container.record.hostConfig.AutoRemove) return;
    this.#parts
      .remove(container)
      .catch((err: unknown) => log.error({ err, container: container.id }, 'container cannot be removed'));
  }

  #scheduleRestart(container: Container, exitedAtMs: number): void {
    const { life } = container.record;
    const ranMs = exitedAtMs - Date.parse(life.startedAt);
    if (ranMs >= healthyRunMs) life.restartCount = 0;
    const delayMs = restartDelayMs(life.restartCount);
    life.restartCount += 1;
    container.restartTimer = setTimeout(() => {
      container.restartTimer = undefined;
      void this.#restart(container);
    }, delayMs);
  }

  async #restart(container: Container): Promise<void> {
    if (this.#stopping || container.status !== 'restarting') return;
    try {
      await this.#parts.restart(container);
    } catch (err) {
      this.#parts.log.warn({ err, container: container.id }, 'container cannot be restarted');
      if (container.status !== 'restarting') return;
      if (shouldRestart(container.record)) this.#scheduleRestart(container, Date.now());
      else this.giveUp(container);
    }
  }

  /** Ends a wait for a restart: somebody stopped the container, or its policy's attempts are used up. */
  giveUp(container: Container): void {
    clearTimeout(container.restartTimer);
    container.restartTimer = undefined;
    container.status = 'exited';
    this.#parts.files.saveLife(container.record);
    container.settle('not-running');
  }
}
