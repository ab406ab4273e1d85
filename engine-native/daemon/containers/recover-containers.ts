// At the daemon's start: finds every container again. Living shims are adopted, ends that nobody saw are recorded, leftovers removed.
// Must never end a container that is alive and known.
import type { Logger } from '@berth/kit/logging.ts';
import type { Networks } from '../networks/networks.ts';
import type { Helper } from '../runtime/helper.ts';
import type { Shim } from '../runtime/shim.ts';
import { adoptVolumes } from '../volumes/use-volumes.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { cgroupChildren, destroyCgroup } from './cgroup-cleanup.ts';
import { Container } from './container.ts';
import type { ContainerRecord } from './container-config.ts';
import type { ContainerFiles } from './container-files.ts';
import { adoptNetworks } from './container-networks.ts';
import type { ContainerRegistry } from './container-registry.ts';
import { damagedRecord } from './damaged-record.ts';
import { connectLiving, endShims, stateOf } from './find-shim.ts';
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

const inFlightMs = 5_000; // a start that was under way when the daemon died has opened its socket by then, or hangs

export async function recoverContainers(parts: RecoverParts): Promise<void> {
  const { files, registry, log } = parts;
  const graves: string[] = [];
  for (const { id, record } of files.loadAll()) {
    if (id.startsWith('.') || (!record && !files.hasContent(id))) {
      graves.push(files.stateDir(id)); // an old grave, or a create that a power loss cut short
      continue;
    }
    if (!record)
      log.error({ container: id }, 'record of a container is damaged; remove it and create it again');
    registry.add(recorded(record ?? damagedRecord(id, files.stateDir(id)), parts));
  }
  await Promise.all(registry.list().map((container) => recoverOne(container, parts)));
  await parts.networks.restore();
  await removeOrphans(parts);
  for (const dir of graves)
    void parts.helper.remove(dir).catch((err: unknown) => log.warn({ err, dir }, 'leftover stays'));
  for (const container of registry.list()) startAgain(container, parts);
}

function recorded(record: ContainerRecord, { userns, files }: RecoverParts): Container {
  const container = new Container(record);
  container.status = record.life.startedAt === '' ? 'created' : 'exited';
  if (record.usernsBase !== null) userns.adopt(record.usernsBase);
  files.completeFolders(record.id);
  return container;
}

async function recoverOne(container: Container, parts: RecoverParts): Promise<void> {
  const { files, finisher, log } = parts;
  const { id, record } = container;
  const run = files.runRecord(id);
  const seemsRunning = record.life.startedAt !== '' && record.life.startedAt > record.life.finishedAt;
  if (!run && !seemsRunning) return;
  if (run) {
    const shim = await connectLiving(files.runDir(id), inFlightMs);
    if (shim && (await adopt(container, shim, parts))) return;
    record.life.startedAt ||= run.startedAt;
    await endShims(id); // one that hangs in its start would go on when nobody expects it
  }
  // It ran, and runs no more. "running" for a moment, so that the one path of an end applies to it too.
  container.status = 'running';
  const exit = await finisher.exitOfDeadShim(id);
  finisher.finish(container, exit);
  log.info({ container: id, exitCode: exit.exitCode }, 'container had ended while the engine was down');
}

async function adopt(container: Container, shim: Shim, parts: RecoverParts): Promise<boolean> {
  const { files, networks, finisher } = parts;
  try {
    const state = await stateOf(shim, files.runDir(container.id));
    container.pid = state.pid;
    container.shim = shim;
    container.status = state.status === 'paused' ? 'paused' : 'running';
    container.record.life.startedAt = state.startedAt;
    const run = files.runRecord(container.id);
    if (run?.isPausedForCommit) await letGoOn(container, shim, files);
    adoptNetworks(container, run, networks);
    adoptVolumes(container, parts.volumes);
    finisher.watch(container, shim, true); // a shim whose container has exited answers at once
    return true;
  } catch {
    shim.close();
    return false;
  }
}

/** Its commit died with the daemon. */
async function letGoOn(container: Container, shim: Shim, files: ContainerFiles): Promise<void> {
  if (container.status === 'paused') await shim.resume();
  container.status = 'running';
  files.updateRun(container.id, { isPausedForCommit: false });
}

/** RUN folders and control groups of containers nobody knows: a create that was lost with the machine's power. */
async function removeOrphans({ files, registry, cgroupOf, cgroupParent, log }: RecoverParts): Promise<void> {
  for (const id of files.runIds()) {
    const container = registry.find(id);
    if (container?.isRunning) continue;
    if (!container) {
      log.warn({ container: id }, 'unknown container ended');
      await endShims(id);
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
