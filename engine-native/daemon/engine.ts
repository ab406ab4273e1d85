// Puts the engine's parts together and starts them in order. Called by main.ts and by tests; holds no behaviour of its own.
import { chmodSync } from 'node:fs';
import type { Logger } from '@berth/kit/logging.ts';
import { archiveRoutes } from './api/archive-routes.ts';
import { buildRoutes } from './api/build-routes.ts';
import { containerRoutes } from './api/container-routes.ts';
import { diskUsageRoutes } from './api/disk-usage-routes.ts';
import { documentRoutes } from './api/document-routes.ts';
import { execRoutes } from './api/exec-routes.ts';
import { imageRoutes } from './api/image-routes.ts';
import { imageTransferRoutes } from './api/image-transfer-routes.ts';
import { layerRoutes } from './api/layer-routes.ts';
import { networkRoutes } from './api/network-routes.ts';
import { podRoutes } from './api/pod-routes.ts';
import type { RemoteConfig } from './api/remote-config.ts';
import { ApiServer, refuseIfServed } from './api/server.ts';
import { streamRoutes } from './api/stream-routes.ts';
import { systemRoutes } from './api/system-routes.ts';
import { volumeRoutes } from './api/volume-routes.ts';
import { readBoot } from './boot-id.ts';
import { assembleBuilds, removeStrandedSteps } from './build/start-builds.ts';
import type { EngineConfig } from './config.ts';
import { removeEmptyCgroup } from './containers/cgroup-cleanup.ts';
import type { Container } from './containers/container.ts';
import { ContainerFiles } from './containers/container-files.ts';
import { ContainerRegistry } from './containers/container-registry.ts';
import { watchDiskQuotas } from './containers/disk-quota.ts';
import { ExecRegistry } from './containers/exec-registry.ts';
import { ContainerFinisher } from './containers/finish-container.ts';
import { HealthMonitors } from './containers/health.ts';
import { recoverContainers } from './containers/recover-containers.ts';
import { removeContainer } from './containers/remove-container.ts';
import { Runtimes } from './containers/runtimes.ts';
import { startContainer } from './containers/start-container.ts';
import { UsernsRanges } from './containers/userns-ranges.ts';
import { Dns } from './dns/dns.ts';
import { Events } from './events.ts';
import { assembleImages, collectRegularly } from './images/image-parts.ts';
import { claimPool, releasePool } from './networks/claim-pool.ts';
import { Networks } from './networks/networks.ts';
import { Pods } from './pods/pods.ts';
import { Helper } from './runtime/helper.ts';
import { HelperProcess } from './runtime/helper-process.ts';
import { unmountUnusedVolumes } from './volumes/use-volumes.ts';
import { VolumeStore } from './volumes/volume-store.ts';

const reassertMs = 30_000; // a firewall reload flushes our table: isolation must not stay away for longer
const trimAfterMs = 5_000; // the start's own code has run by then, and whoever waited for the engine has asked

export interface Engine {
  /** Stops serving; containers live on. */
  close(): Promise<void>;
}

export async function startEngine(config: EngineConfig, log: Logger): Promise<Engine> {
  const { root, run, name, nativeDir } = config;
  await refuseIfServed(config.socketPath);
  const serverReady = Promise.withResolvers<ApiServer>();
  const remote = config.remote && (await startRemote(config.remote, serverReady.promise));
  const boot = readBoot(root, run);
  const helperProcess = new HelperProcess({ root, run, nativeDir, log });
  await helperProcess.start();
  const parts = assemble(config, helperProcess, log);
  await parts.layers.recover(boot.isAnother);
  parts.images.load();
  parts.volumes.load();
  boot.keep();
  await recoverContainers({
    ...parts,
    cgroupParent: parts.cgroupParent,
    start: (one) => startContainer(one, parts),
  });
  await removeStrandedSteps(parts, parts.secretsDir);
  parts.dns.start();
  const registryServer = await startRegistry(config, parts);
  const pods = new Pods({ ...parts, root, nativeDir });
  await pods.recover();
  await unmountUnusedVolumes(parts);
  const server = createServer(config, { ...parts, pods }, helperProcess, log);
  await server.listen(config.socketPath);
  serverReady.resolve(server);
  const stopQuotas = watchDiskQuotas(parts);
  const stopCollecting = collectRegularly(parts);
  const reassert = setInterval(() => {
    parts.networks.reassert().catch((err: unknown) => log.warn({ err }, 'networks cannot be restored'));
  }, reassertMs);
  const trim = setTimeout(() => {
    parts.helper.trimDaemon().catch((err: unknown) => log.debug({ err }, 'memory cannot be given back'));
  }, trimAfterMs);
  log.info({ engine: name, socket: config.socketPath, pool: parts.pool }, 'engine ready');
  return {
    async close() {
      clearInterval(reassert);
      parts.networks.firewall.stopWatching();
      clearTimeout(trim);
      stopQuotas();
      stopCollecting();
      parts.finisher.stopWatching();
      await pods.close();
      remote?.close();
      server.close();
      registryServer?.close();
      await leaveHostClean(parts, root, log);
      await helperProcess.stop();
    },
  };
}

type Parts = ReturnType<typeof assemble>;

function assemble(config: EngineConfig, helperProcess: HelperProcess, log: Logger) {
  const { root, run, name } = config;
  const pool = claimPool(root, config.pool);
  const helper = new Helper(helperProcess.socketPath, helperProcess.connection);
  const events = new Events();
  const registry = new ContainerRegistry();
  const files = new ContainerFiles(root, run);
  const userns = new UsernsRanges(root, name);
  const imageParts = assembleImages(config.images, { root, helper, registry, log });
  const networks = new Networks({ engineName: name, root, pool, helper, log });
  const dns = new Dns({ run, nativeDir: config.nativeDir, networks, registry, log });
  const execs = new ExecRegistry(events);
  const builds = assembleBuilds({ root, run, helper });
  const runtimes = new Runtimes(config.runtimes);
  const volumes = new VolumeStore({ root, helper, registry, events, log });
  const cgroupParent = `berth-${name}`;
  const cgroupOf = (id: string) => `${cgroupParent}/${id}`;
  const finisher: ContainerFinisher = new ContainerFinisher({
    networks,
    files,
    events,
    volumes,
    helper,
    health: new HealthMonitors({ events, files, log }),
    log,
    cgroupOf,
    restart: async (container: Container) => {
      await startContainer(container, parts, false);
    },
    remove: (container: Container) => removeContainer(container, parts, { force: false, volumes: true }),
  });
  const parts = {
    helper,
    events,
    registry,
    files,
    userns,
    ...imageParts,
    networks,
    dns,
    execs,
    runtimes,
    volumes,
    ...builds,
    finisher,
    cgroupOf,
    cgroupParent,
    pool,
    log,
  };
  chmodSync(root, 0o711);
  return parts;
}

function createServer(
  config: EngineConfig,
  parts: Parts & { pods: Pods },
  helperProcess: HelperProcess,
  log: Logger,
): ApiServer {
  const streams = streamRoutes(parts);
  const system = {
    ...parts,
    engineName: config.name,
    root: config.root,
    hello: () => helperProcess.hello,
  };
  const routes = [
    ...systemRoutes(system),
    ...streams.routes,
    ...containerRoutes(parts),
    ...execRoutes(parts),
    ...networkRoutes(parts),
    ...volumeRoutes(parts),
    ...imageTransferRoutes(parts),
    ...archiveRoutes(parts),
    ...imageRoutes(parts),
    ...layerRoutes(parts),
    ...documentRoutes(parts),
    ...podRoutes(parts),
    ...buildRoutes(parts),
    ...diskUsageRoutes(parts),
  ];
  return new ApiServer(routes, streams.upgrades, log);
}

/** Imported when it is on: a daemon without it does not pay for it. */
async function startRegistry({ registry, root }: EngineConfig, parts: Parts) {
  if (!registry) return undefined;
  const starter = await import('./registry/start-registry.ts');
  const { imageSources } = await import('./registry/image-sources.ts');
  const { blobs, log, quota } = parts;
  const makeRoom = (bytes: number) => quota.makeRoom(bytes);
  return starter.startRegistry(registry, { root, blobs, log, makeRoom, ...imageSources(parts) });
}

/** First of all: an address that is taken must stop the start before anything is touched. Its clients wait for the server. */
async function startRemote(config: RemoteConfig, serverReady: Promise<ApiServer>) {
  const { listenRemote } = await import('./api/remote-listener.ts');
  return listenRemote(config, (socket) => void serverReady.then((server) => server.accept(socket)));
}

/** With no container alive nothing of ours needs to stay in the kernel. */
async function leaveHostClean(parts: Parts, root: string, log: Logger): Promise<void> {
  if (parts.registry.list().some((container) => container.isRunning)) return parts.dns.release();
  try {
    await parts.dns.stop();
    await unmountUnusedVolumes(parts);
    await parts.networks.teardown();
    removeEmptyCgroup(parts.cgroupParent);
    releasePool(root, parts.pool);
  } catch (err) {
    log.warn({ err }, 'bridges or rules stay until the next start');
  }
}
