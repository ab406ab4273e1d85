// Changes the limits and the restart policy of a container, at once if it runs. Called by POST /containers/{id}/update.
import { cpus } from 'node:os';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import { JsonFields } from '../json-fields.ts';
import { resourcesOf } from './build-spec.ts';
import type { Container } from './container.ts';
import type { HostConfig } from './container-config.ts';
import type { ContainerFiles } from './container-files.ts';
import { publishContainer } from './describe-event.ts';
import { parseRestartPolicy } from './parse-create.ts';
import { checkResources, parseResources } from './parse-resources.ts';

export interface UpdateParts {
  files: ContainerFiles;
  events: Events;
}

export async function updateContainer(
  container: Container,
  body: unknown,
  { files, events }: UpdateParts,
): Promise<{ Warnings: string[] }> {
  const fields = new JsonFields(body);
  const hostConfig = { ...container.record.hostConfig, ...changesOf(fields) };
  if (hostConfig.NanoCpus > 0 && fields.integer('NanoCpus')) hostConfig.CpuPeriod = hostConfig.CpuQuota = 0;
  else if (fields.integer('CpuQuota') || fields.integer('CpuPeriod')) hostConfig.NanoCpus = 0;
  raiseSwap(fields, container.record.hostConfig, hostConfig);
  checkResources(hostConfig, cpus().length);
  const policy = fields.object('RestartPolicy');
  if (policy?.text('Name')) hostConfig.RestartPolicy = parseRestartPolicy(policy);
  if (hostConfig.AutoRemove && !['', 'no'].includes(hostConfig.RestartPolicy.Name))
    throw new AppError('bad_request', 'Restart policy cannot be updated because AutoRemove is enabled', {
      hint: 'start the container without --rm',
    });
  if (container.isRunning) await container.runningShim().update(resourcesOf(hostConfig));
  container.record.hostConfig = hostConfig;
  files.save(container.record);
  publishContainer(events, container, 'update');
  return { Warnings: [] };
}

/** The client sends 0, "" or null for everything it does not want to change. */
function changesOf(fields: JsonFields): Partial<HostConfig> {
  const given = Object.entries(parseResources(fields)).filter(([, value]) => Boolean(value));
  return Object.fromEntries(given);
}

/** A new memory limit above the old swap limit would leave the two at odds: Docker asks for both. */
function raiseSwap(fields: JsonFields, before: HostConfig, after: HostConfig): void {
  if (!fields.integer('Memory') || fields.integer('MemorySwap')) return;
  if (before.MemorySwap > 0 && after.Memory > before.MemorySwap)
    throw new AppError(
      'conflict',
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
}
