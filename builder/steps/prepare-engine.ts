// Makes the engine ready for builds, and clears away what a build left: called at start, after an outage, and at the end of each container.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { retry } from '@berth/kit/backoff.ts';
import { buildNetwork } from './run-container.ts';

export async function prepareEngine(engine: EngineClient): Promise<void> {
  await engine.ping();
  await engine.ensureNetwork({
    Name: buildNetwork,
    Driver: 'bridge',
    // Builds reach the internet, not the host, not the apps, and not each other.
    Options: { 'berth.egress': 'isolated', 'com.docker.network.bridge.enable_icc': 'false' },
  });
  await removeLabelled(engine, 'berth.build');
}

export function removeBuildContainers(engine: EngineClient, buildId: string): Promise<void> {
  return removeLabelled(engine, `berth.build=${buildId}`);
}

async function removeLabelled(engine: EngineClient, label: string): Promise<void> {
  const left = await engine.listContainers({ all: true, labels: [label] });
  await Promise.all(left.map(({ Id }) => engine.removeContainer(Id, { force: true })));
}

/** Removes a container whose work is done. An engine that is away gets it removed when it is back, without anybody waiting. */
export async function discardContainer(engine: EngineClient, container: string | undefined): Promise<void> {
  if (container === undefined) return;
  const remove = () => engine.removeContainer(container, { force: true });
  await remove().catch(() => {
    // What is still there after that is removed at the builder's next start.
    retry(remove, { firstMs: 200, maxMs: 5_000, limitMs: 120_000 }).catch(() => {});
  });
}
