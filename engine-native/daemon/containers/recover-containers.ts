// At the daemon's start: finds every container again. Living shims are adopted, ends that nobody saw are recorded, leftovers removed.
// Must never end a container that is alive and known.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@berth/kit/logging.ts';
import type { Networks } from '../networks/networks.ts';
import type { Helper } from '../runtime/helper.ts';
import { Shim } from '../runtime/shim.ts';
import { adoptVolumes } from '../volumes/use-volumes.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { cgroupChildren, destroyCgroup } from './cgroup-cleanup.ts';
import { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { adoptNetworks } from './container-networks.ts';
import type { ContainerRegistry } from './container-registry.ts';
import type { ContainerFinisher } from './finish-container.ts';
import { shouldStartWithDaemon } from './restart-policy.ts';
import type { UsernsRanges } from './userns-ranges.ts';

export interface RecoverParts {
  helper: Helper;
  files: ContainerFiles;
  registry: ContainerRegistry;
  networks: Networks;
  userns: UsernsRanges;
  volumes: VolumeStore;
  finisher: ContainerFinisher;
  cgroupOf: (id: string) => string;
  cgroupParent: string;
  start: (container: Container) => Promise<unknown>;
  log: Logger;
}

const inFlightMs = 1_500; // a start that was under way when the daemon died opens its socket within this time

export async function recoverContainers(parts: RecoverParts): Promise<void> {
  const { files, registry, userns, log } = parts;
  const graves: string[] = [];
  for (const { id, record } of files.loadAll()) {
    if (!record || record.id !== id) {
      graves.push(files.stateDir(id)); // an old grave, or a create that a power loss cut short
      continue;
    }
    const container = new Container(record);
    container.status = record.life.startedAt === '' ? 'created' : 'exited';
    if (record.usernsBase !== null) userns.adopt(record.usernsBase);
    registry.add(container);
  }
  await Promise.all(registry.list().map((container) => recoverOne(container, parts)));
  await parts.networks.restore();
  await removeOrphans(parts);
  for (const dir of graves)
    void parts.helper.remove(dir).catch((err: unknown) => log.warn({ err, dir }, 'leftover stays'));
  for (const container of registry.list()) startAgain(container, parts);
}

async function recoverOne(container: Container, parts: RecoverParts): Promise<void> {
  const { files, finisher, log } = parts;
  const { id, record } = container;
  const run = files.runRecord(id);
  const seemsRunning = record.life.startedAt !== '' && record.life.startedAt > record.life.finishedAt;
  if (!run && !seemsRunning) return;
  if (run) {
    const shim = await findShim(files.runDir(id));
    if (shim && (await adopt(container, shim, parts))) return;
    record.life.startedAt ||= run.startedAt;
  }
  // It ran, and runs no more. "running" for a moment, so that the one path of an end applies to it too.
  container.status = 'running';
  const exit = await finisher.exitOfDeadShim(id);
  finisher.finish(container, exit);
  log.info({ container: id, exitCode: exit.exitCode }, 'container had ended while the engine was down');
}

async function findShim(runDir: string): Promise<Shim | undefined> {
  const deadline = performance.now() + inFlightMs;
  for (;;) {
    try {
      return await Shim.connect(runDir);
    } catch {
      if (performance.now() > deadline) return undefined;
      await sleep(50);
    }
  }
}

async function adopt(container: Container, shim: Shim, parts: RecoverParts): Promise<boolean> {
  const { files, networks, finisher } = parts;
  try {
    const state = await shim.state();
    container.pid = state.pid;
    container.shim = shim;
    container.status = state.status === 'paused' ? 'paused' : 'running';
    container.record.life.startedAt = state.startedAt;
    adoptNetworks(container, files.runRecord(container.id), networks);
    adoptVolumes(container, parts.volumes);
    finisher.watch(container, shim, true); // a shim whose container has exited answers at once
    return true;
  } catch {
    shim.close();
    return false;
  }
}

/** RUN folders and control groups of containers nobody knows: a create that was lost with the machine's power. */
async function removeOrphans({ files, registry, cgroupOf, cgroupParent, log }: RecoverParts): Promise<void> {
  for (const id of files.runIds()) {
    const container = registry.find(id);
    if (container?.isRunning) continue;
    if (!container) {
      log.warn({ container: id }, 'unknown container ended');
      await destroyCgroup(cgroupOf(id));
    }
    files.clearRun(id);
  }
  for (const id of cgroupChildren(cgroupParent)) {
    if (/^[0-9a-f]{64}$/.test(id) && !registry.find(id)?.isRunning) await destroyCgroup(cgroupOf(id));
  }
}

function startAgain(container: Container, { start, log }: RecoverParts): void {
  if (container.isRunning || container.status === 'restarting' || !shouldStartWithDaemon(container.record))
    return;
  container.status = 'restarting';
  start(container).catch((err: unknown) => {
    if (container.status === 'restarting') container.status = 'exited';
    log.warn({ err, container: container.id }, 'container cannot be started with the engine');
  });
}
