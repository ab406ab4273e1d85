// Runs the web process of a built image on the engine's own network, and asks it things. Used by the builder's whole-behaviour tests.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { shellCommand } from '@berth/controller/shell-command.ts';
import type { FakeBuild } from './fake-controller.ts';

/** A JVM on a busy machine. */
const startLimitMs = 60_000;

export interface Served {
  get(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; body: string }>;
  /** What the process printed so far. */
  output(): string;
  stop(): Promise<void>;
}

export async function serve(
  engine: EngineClient,
  build: FakeBuild,
  env: Record<string, string>,
): Promise<Served> {
  if (build.end?.status !== 'succeeded') throw new Error(`${JSON.stringify(build.end)}\n${build.output}`);
  const { image, processTypes, port, user } = build.end.result;
  const web = processTypes['web'];
  if (web === undefined) throw new Error('the build has no web process');
  const container = await engine.createContainer({
    Image: image,
    ...(web === '' ? {} : { Cmd: shellCommand(web) }),
    ...(user === '' ? {} : { User: user }),
    Env: Object.entries({ PORT: String(port), ...env }).map(([name, value]) => `${name}=${value}`),
    HostConfig: { Memory: 512 * 1024 * 1024, Init: true },
  });
  const stop = () => engine.removeContainer(container, { force: true });
  try {
    const attached = await engine.attach(container);
    let printed = '';
    const reading = (async () => {
      for await (const { data } of attached.output()) printed += data.toString('utf8');
    })();
    reading.catch(() => {}); // the container was removed under it
    await engine.startContainer(container);
    const { NetworkSettings } = await engine.inspectContainer(container);
    const address = NetworkSettings.IPAddress || Object.values(NetworkSettings.Networks ?? {})[0]?.IPAddress;
    const ask: Served['get'] = async (path, headers = {}) => {
      const answer = await fetch(`http://${address}:${port}${path}`, { headers, redirect: 'manual' });
      return { status: answer.status, headers: answer.headers, body: await answer.text() };
    };
    const ended = async () => {
      const { State } = await engine.inspectContainer(container);
      return State.Running ? undefined : `it ended with ${State.ExitCode}`;
    };
    await untilItAnswers(ask, ended, () => printed);
    return { get: ask, output: () => printed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilItAnswers(
  ask: Served['get'],
  ended: () => Promise<string | undefined>,
  printed: () => string,
): Promise<void> {
  const giveUpAt = Date.now() + startLimitMs;
  for (;;) {
    try {
      await ask('/');
      return;
    } catch (error) {
      const why = (await ended()) ?? (Date.now() > giveUpAt ? 'it listens nowhere' : undefined);
      if (why !== undefined)
        throw new Error(`the app does not answer: ${why}\n${printed()}`, { cause: error });
      await sleep(50);
    }
  }
}
