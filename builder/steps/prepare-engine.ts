// Makes the engine ready for builds: the network they run on, and nothing left of an earlier life. Called once at start.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { buildNetwork } from './run-container.ts';

export async function prepareEngine(engine: EngineClient): Promise<void> {
  await engine.ping();
  await engine.ensureNetwork({
    Name: buildNetwork,
    Driver: 'bridge',
    // Builds reach the internet, not the host, not the apps, and not each other.
    Options: { 'berth.egress': 'isolated', 'com.docker.network.bridge.enable_icc': 'false' },
  });
  const left = await engine.listContainers({ all: true, labels: ['berth.build'] });
  await Promise.all(left.map(({ Id }) => engine.removeContainer(Id, { force: true })));
}
