// A builder with a real engine, a real git repository and a fake controller: what the builder's whole-behaviour tests stand on.
// Everything lies in folders of its own and is gone after `close()`.

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBuilderConfig } from '@berth/builder/config.ts';
import { ControllerApi } from '@berth/builder/controller-api.ts';
import { LayerRecords } from '@berth/builder/layer-records.ts';
import { findPlatformNode } from '@berth/builder/platform-node.ts';
import { runBuild, type Workshop } from '@berth/builder/run-build.ts';
import { buildSources } from '@berth/builder/sources.ts';
import { prepareEngine } from '@berth/builder/steps/prepare-engine.ts';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { ImageDocuments } from '@berth/clients/image-documents.ts';
import type { BuildSettings } from '@berth/contract/build.ts';
import { makeStack } from '@berth/infra/stacks/make-stack.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { runCommand, runCommandOk, startCommand } from '@berth/kit/run-command.ts';
import { type FakeBuild, FakeController } from './fake-controller.ts';
import { type Served, serve } from './serve.ts';

/** Where `berth up` keeps the stack's archive: making it takes a minute and a mirror. */
const stackCache = process.env['BERTH_TEST_STACKS'] ?? '/var/cache/berth/stacks';

/** Content by path; a script (`#!`) is made executable. */
export type Files = Record<string, string | Buffer | null>;

export interface BuildOptions {
  app?: string;
  vars?: Record<string, string>;
  /** What the app's users have set: nothing, if not given. */
  settings?: Partial<BuildSettings>;
  noCache?: boolean;
  /** Called while the build runs. */
  meanwhile?: (build: FakeBuild) => Promise<void>;
}

export interface Workbench {
  engine: EngineClient;
  controller: FakeController;
  shop: Workshop;
  /** Commits the files as the app's whole tree (null: none) and builds that commit. */
  build(files: Files, options?: BuildOptions): Promise<FakeBuild & { ms: number }>;
  /** Commits the files and gives the build that is to be done, not begun. */
  prepare(files: Files, options?: BuildOptions): Promise<FakeBuild>;
  /** Runs a command in an image and gives its output. */
  runIn(
    image: string,
    command: string,
    env?: Record<string, string>,
  ): Promise<{ exitCode: number; output: string }>;
  /** Starts the web process of a succeeded build, as the platform would, and waits until it answers. */
  serve(build: FakeBuild, env?: Record<string, string>): Promise<Served>;
  /** SIGKILL for the engine, and a new one. */
  killEngine(): Promise<void>;
  close(): Promise<void>;
}

export async function openWorkbench(
  limits: Record<string, string> = {},
  settings: { name?: string; engine?: Record<string, string> } = {},
): Promise<Workbench> {
  const folder = mkdtempSync('/tmp/berth-builder-test-');
  const engineSocket = join(folder, 'engine.sock');
  // Its own even when the same test file runs twice on a machine: the end of one would take the other's firewall rules away.
  const engineName = `${settings.name ?? 'bbt2'}${folder
    .slice(-6)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')}`.slice(0, 8);
  const run = `/run/berth-builder-${folder.slice(-6)}`;
  const startEngine = () =>
    startCommand(
      [process.execPath, new URL('../../engine-native/daemon/main.ts', import.meta.url).pathname],
      {
        env: {
          PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
          BERTH_ENGINE_SOCKET: engineSocket,
          BERTH_ENGINE_ROOT: join(folder, 'engine'),
          BERTH_ENGINE_RUN: run,
          BERTH_ENGINE_NAME: engineName,
          BERTH_LOG_LEVEL: 'warn',
          ...settings.engine,
        },
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    );
  let child = startEngine();
  const engine = new EngineClient(engineSocket);
  await untilReady(engine);
  const controller = new FakeController();
  const controllerSocket = join(folder, 'controller.sock');
  await controller.listen(controllerSocket);
  await makeStack(engine, stackCache);
  await prepareEngine(engine);
  const config = readBuilderConfig({
    ...process.env,
    BERTH_DATA: folder,
    BERTH_CONTROLLER_SOCKET: controllerSocket,
    BERTH_ENGINE_SOCKET: engineSocket,
    BERTH_STACKS: stackCache,
    REDIS_URL: 'unix:///not-used',
    ...limits,
  });
  const api = new ControllerApi(controllerSocket);
  const stopping = new AbortController();
  const shop: Workshop = {
    config,
    controller: api,
    engine,
    documents: new ImageDocuments(engineSocket),
    records: new LayerRecords(join(config.dataDir, 'layers')),
    platformNode: await findPlatformNode(config.npmDir, config.machineEnv['PATH'] ?? ''),
    sources: buildSources(config.machineEnv, config.sources),
    varsSecret: Buffer.alloc(32, 1),
    stopping: stopping.signal,
    log: createLogger('builder-test', process.env['BERTH_LOG_LEVEL'] ?? 'fatal'),
  };
  let count = 0;
  return {
    engine,
    controller,
    shop,
    build: (files, options = {}) =>
      buildCommit(shop, controller, folder, files, { ...options, number: ++count }),
    prepare: (files, options = {}) => addBuild(controller, folder, files, { ...options, number: ++count }),
    runIn: (image, command, env = {}) => runIn(engine, image, command, env),
    serve: (build, env = {}) => serve(engine, build, env),
    killEngine: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = startEngine();
      await untilReady(engine);
    },
    close: async () => {
      try {
        const containers = await engine.listContainers({ all: true });
        for (const { Id } of containers) await engine.removeContainer(Id, { force: true });
        await engine.removeNetwork('berth-builds');
      } finally {
        // Whatever failed above, the daemon must not outlive the test file, nor hold it open.
        api.close();
        await controller.close();
        engine.close();
        shop.documents.close();
        child.kill('SIGTERM');
        await once(child, 'exit');
        // Rules outlive the daemon on purpose, so that a restart cuts no connection; a test leaves none.
        await runCommand(['nft', 'delete', 'table', 'inet', `berth_${engineName}`]);
        rmSync(folder, { recursive: true, force: true });
        rmSync(run, { recursive: true, force: true });
      }
    },
  };
}

async function untilReady(engine: EngineClient): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await engine.ping();
    } catch (error) {
      if (attempt > 100) throw error;
      await sleep(100);
    }
  }
}

async function addBuild(
  controller: FakeController,
  folder: string,
  files: Files,
  options: BuildOptions & { number: number },
): Promise<FakeBuild> {
  const app = options.app ?? 'sample';
  const { repository, commit, tree } = await commitFiles(join(folder, 'repositories', app), files);
  return controller.add({
    id: `build-${options.number}`,
    number: options.number,
    epoch: options.number * 10,
    appId: `app-${app}`,
    appName: app,
    commit,
    tree,
    repository,
    objectDirectories: [],
    buildVars: options.vars ?? {},
    settings: { buildpacks: [], stack: null, ...options.settings },
    noCache: options.noCache ?? false,
  });
}

async function buildCommit(
  shop: Workshop,
  controller: FakeController,
  folder: string,
  files: Files,
  options: BuildOptions & { number: number },
): Promise<FakeBuild & { ms: number }> {
  const build = await addBuild(controller, folder, files, options);
  const begun = performance.now();
  const running = runBuild(shop, build.started.id);
  await options.meanwhile?.(build);
  await running;
  return Object.assign(build, { ms: performance.now() - begun });
}

/** The files as a commit of a bare repository, without history. */
export async function commitFiles(
  repository: string,
  files: Files,
): Promise<{ repository: string; commit: string; tree: string }> {
  const work = `${repository}-work`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    if (content === null) continue;
    mkdirSync(dirname(join(work, path)), { recursive: true });
    const isScript = content.slice(0, 2).toString() === '#!';
    writeFileSync(join(work, path), content, { mode: isScript ? 0o755 : 0o644 });
  }
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: '/nonexistent',
    GIT_DIR: repository,
    GIT_WORK_TREE: work,
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.org',
    GIT_AUTHOR_DATE: '1700000000 +0000',
    GIT_COMMITTER_DATE: '1700000000 +0000',
  };
  const git = async (...args: string[]) =>
    (await runCommandOk(['git', ...args], { env, cwd: work })).stdout.toString().trim();
  await git('init', '-q');
  await git('add', '-A', '-f', '.');
  const tree = await git('write-tree');
  const commit = await git('commit-tree', '-m', 'test', tree);
  rmSync(work, { recursive: true, force: true });
  return { repository, commit, tree };
}

async function runIn(
  engine: EngineClient,
  image: string,
  command: string,
  env: Record<string, string>,
): Promise<{ exitCode: number; output: string }> {
  const container = await engine.createContainer({
    Image: image,
    Entrypoint: [],
    Cmd: ['/bin/sh', '-c', command],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    HostConfig: { NetworkMode: 'none', Memory: 512 * 1024 * 1024 },
  });
  try {
    const attached = await engine.attach(container);
    await engine.startContainer(container);
    let output = '';
    for await (const { data } of attached.output()) output += data.toString('utf8');
    const { exitCode } = await engine.waitContainer(container);
    return { exitCode, output };
  } finally {
    await engine.removeContainer(container, { force: true });
  }
}
