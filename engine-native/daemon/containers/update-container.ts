// Changes the limits and the restart policy of a container, at once if it runs. Called by POST /containers/{id}/update.
import { JsonFields } from '../json-fields.ts';
import { resourcesOf } from './build-spec.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { parseRestartPolicy } from './parse-create.ts';

const numbers = [
  'Memory',
  'MemorySwap',
  'NanoCpus',
  'CpuQuota',
  'CpuPeriod',
  'CpuShares',
  'PidsLimit',
] as const;

export async function updateContainer(
  container: Container,
  body: unknown,
  files: ContainerFiles,
): Promise<{ Warnings: string[] }> {
  const fields = new JsonFields(body);
  const hostConfig = { ...container.record.hostConfig };
  // The client sends 0 for everything it does not want to change.
  for (const name of numbers) hostConfig[name] = fields.integer(name) || hostConfig[name];
  const policy = fields.object('RestartPolicy');
  if (policy?.text('Name')) hostConfig.RestartPolicy = parseRestartPolicy(policy);
  if (container.isRunning) await container.runningShim().update(resourcesOf(hostConfig));
  container.record.hostConfig = hostConfig;
  files.save(container.record);
  return { Warnings: [] };
}
