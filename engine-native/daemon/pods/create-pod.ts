// From a checked manifest to a pod whose infra container runs: images, record, volumes, containers, network. A failed step undoes the ones before
// it; a crash in the middle is undone by the next daemon (pod-supervisor.ts, recover). The rest is the supervisor's: it starts what is left.
import { randomBytes } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import { createContainer } from '../containers/create-container.ts';
import { parseCreate } from '../containers/parse-create.ts';
import { removeContainer } from '../containers/remove-container.ts';
import { startContainer } from '../containers/start-container.ts';
import { containerName, infraRequest, memberRequest, podIdLabel } from './container-requests.ts';
import { pauseRoot } from './pause-layer.ts';
import type { PodRecord } from './pod.ts';
import type { PodFiles } from './pod-files.ts';
import type { PodParts } from './pod-parts.ts';
import type { ContainerPlan, PodSpec } from './pod-spec.ts';
import { makeSubPaths, makeVolumes, removeVolumes } from './pod-volumes.ts';

export function freshRecord(spec: PodSpec, network: string): PodRecord {
  const now = new Date().toISOString();
  return {
    id: randomBytes(32).toString('hex'),
    created: now,
    network,
    spec,
    desired: 'creating',
    epoch: now,
    message: '',
    infraId: '',
    members: [],
    volumes: {},
  };
}

/** The record is saved before anything is made. Throws when the pod cannot be; then nothing of it is left. */
export async function createPod(record: PodRecord, files: PodFiles, parts: PodParts): Promise<void> {
  files.save(record);
  try {
    makeVolumes(record, parts.volumes);
    await makeContainers(record, parts);
    await startInfra(record, parts);
    record.desired = 'running';
    files.save(record);
  } catch (error) {
    await discardPod(record, parts);
    files.remove(record);
    throw error;
  }
}

/** Whatever of it is missing: all at creation, and what somebody removed when it is started again. */
export async function makeContainers(record: PodRecord, parts: PodParts): Promise<void> {
  const { spec } = record;
  if (!parts.registry.find(record.infraId || '-')) {
    const root = await pauseRoot(parts.nativeDir, parts.layers);
    const name = containerName(spec.name, 'infra');
    const infra = await createContainer(parseCreate(infraRequest(record)), name, parts, root);
    record.infraId = infra.id;
  }
  const all = [
    ...spec.initContainers.map((plan) => ({ plan, isInit: true })),
    ...spec.containers.map((plan) => ({ plan, isInit: false })),
  ];
  const members: PodRecord['members'] = [];
  for (const { plan, isInit } of all) {
    const known = record.members.find(({ name }) => name === plan.name)?.containerId ?? '-';
    const containerId = parts.registry.find(known)?.id ?? (await makeMember(record, plan, parts));
    members.push({ name: plan.name, isInit, containerId });
  }
  record.members = members;
}

/** What is wrong with one of several containers is told with its name. */
async function makeMember(record: PodRecord, plan: ContainerPlan, parts: PodParts): Promise<string> {
  try {
    const request = parseCreate(memberRequest(record, plan));
    if (plan.security.mustNotBeRoot) checkNotRoot(plan, parts);
    return (await createContainer(request, containerName(record.spec.name, plan.name), parts)).id;
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    const { code, message, hint } = cause;
    throw new AppError(code, `container "${plan.name}": ${message}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Only a number says which user it is before the container's own files are looked at. */
function checkNotRoot({ image, security }: ContainerPlan, { images }: PodParts): void {
  const user = security.user || images.get(image).config.defaults.User;
  const uid = /^(\d+)(?::|$)/.exec(user)?.[1];
  if (uid !== undefined && Number(uid) !== 0) return;
  throw new AppError('bad_request', `it must not be root, and its user is "${user || 'root'}"`, {
    hint: 'set runAsUser to the number of a user',
  });
}

export async function startInfra(record: PodRecord, parts: PodParts): Promise<void> {
  const infra = parts.registry.get(record.infraId);
  await startContainer(infra, parts);
  makeSubPaths(record, parts.volumes);
}

/** Every container that carries the pod's id, by whatever daemon it was made, and the volumes. Must not throw for one that is gone already. */
export async function discardPod(record: PodRecord, parts: PodParts): Promise<void> {
  const ids = new Set([record.infraId, ...record.members.map(({ containerId }) => containerId)]);
  const own = parts.registry
    .list()
    .filter((one) => ids.has(one.id) || one.record.config.Labels[podIdLabel] === record.id);
  // The infra container last: whoever removes it takes the pod with it, and would find half of it.
  own.sort((a, b) => Number(a.id === record.infraId) - Number(b.id === record.infraId));
  for (const container of own) await removeContainer(container, parts, { force: true, volumes: true });
  removeVolumes(record, parts.volumes);
}
