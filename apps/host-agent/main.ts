// The host agent's process: what the controller wants of this host, made true through the engine. Started by the supervisor.
// Its end stops no container; its start adopts those that run, with or without a controller.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { HttpClient } from '@berth/clients/http-client.ts';
import type { DesiredUpdate } from '@berth/contract/instance.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { serveAgentSocket } from './agent-socket.ts';
import { AttachDesk } from './attach-desk.ts';
import { loadConfig } from './config.ts';
import { ControllerLink } from './controller-link.ts';
import { DesiredFile } from './desired-file.ts';
import { EngineWatch } from './engine-watch.ts';
import { readHostFacts } from './host-facts.ts';
import { PodSet } from './pod-set.ts';
import { ReportQueue } from './report-queue.ts';

/** The engine may start beside us: asked again this often. */
const engineRetryMs = 100;

const log = createLogger('host-agent');
const shutdown = createShutdown(log);
const { signal } = shutdown;
const config = loadConfig();
const engine = new EngineClient(config.engineSocket);
const http = new HttpClient({ socketPath: config.controllerSocket, name: 'the controller' });
const desk = new AttachDesk();
const watch = new EngineWatch({ engine, log, signal });
const desired = new DesiredFile(config.dataDir, log);
const reports: ReportQueue = new ReportQueue({
  send: (report) => link.send(report),
  everything: () => pods.observed(),
  log,
  signal,
});
const pods = new PodSet({
  engine,
  watch,
  desk,
  log,
  agentSignal: signal,
  onChange: (o) => reports.changed(o),
});
const link: ControllerLink = new ControllerLink({
  http,
  host: { name: config.hostName, ...(await readHostFacts()), agentSocket: config.agentSocket },
  session: randomUUID(),
  log,
  signal,
  onUpdate,
  onReplaced: () => {
    log.error('a newer agent of this host has registered; this one ends');
    void shutdown.run('replaced').then(() => process.exit(1));
  },
});

function onUpdate(update: DesiredUpdate): void {
  pods.applyUpdate(update);
  desired.save(pods.pods);
  if (update.full) void pods.settled().then(() => reports.sendFull());
}

async function untilEngineAnswers(): Promise<void> {
  while (!signal.aborted) {
    try {
      await pods.findContainers();
      await pods.ensureNetwork();
      return;
    } catch (err) {
      log.debug({ err }, 'engine is not there yet');
      await sleep(engineRetryMs, undefined, { signal }).catch(() => {});
    }
  }
}

const socket = await serveAgentSocket({ path: config.agentSocket, engine, watch, desk, log });
const watching = watch.run();
reportReady();
await untilEngineAnswers();
pods.applyDisk(await desired.read());
const loops = [link.run(), reports.run(), watching];
shutdown.add('engine client', () => engine.close());
shutdown.add('loops', () => Promise.all(loops));
shutdown.add('pods', () => pods.close());
shutdown.add('desired set', () => desired.close());
shutdown.add('agent socket', () => socket.close());
