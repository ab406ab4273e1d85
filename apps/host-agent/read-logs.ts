// An app's log on this host, out of the engine's logs of all its containers, ended ones too. Called by the agent's socket.
// Must never hold more than the asked-for lines of each container in memory.
import type { ContainerSummary } from '@berth/clients/engine-types.ts';
import type { LogLine } from '@berth/contract/log.ts';
import type { EngineWatch } from './engine-watch.ts';
import { isOfProcess, LineCutter, newest, type StampedLine, sinceSeconds, toLogLine } from './log-lines.ts';
import { labels } from './pod-container.ts';
import type { PodEngine } from './pod-engine.ts';

export interface LogQuery {
  appId: string;
  lines: number;
  process: string | undefined;
  follow: boolean;
}

export interface LogDeps {
  engine: PodEngine;
  watch: EngineWatch;
  signal: AbortSignal;
  /** Waits when the reader is slow. */
  write: (line: LogLine) => Promise<void>;
}

export async function readLogs(query: LogQuery, deps: LogDeps): Promise<void> {
  const followed = new Set<string>();
  const follows: Promise<void>[] = [];
  const begin = (container: ContainerSummary, from: FollowFrom) => {
    if (followed.has(container.Id) || deps.signal.aborted) return;
    followed.add(container.Id);
    follows.push(follow(container, from, deps).catch(() => {}));
  };
  // containers that start from here on are noted before the list is read: none falls between the two
  let isListed = false;
  const early: string[] = [];
  const beginNew = async (id: string) => {
    const container = (await find(query, deps)).find(({ Id }) => Id === id);
    if (container) begin(container, {});
  };
  const onStart = (id: string) => {
    if (isListed) void beginNew(id).catch(() => {});
    else early.push(id);
  };
  const unsubscribe = query.follow ? deps.watch.onContainerStart(onStart) : () => {};
  try {
    const containers = await find(query, deps);
    const lastTimes = await writeNewest(containers, query, deps);
    if (!query.follow) return;
    for (const container of containers)
      if (container.State === 'running' || container.State === 'created')
        begin(container, followFrom(lastTimes.get(container.Id), query.lines));
    isListed = true;
    for (const id of early) onStart(id);
    await aborted(deps.signal);
    await Promise.all(follows);
  } finally {
    unsubscribe();
  }
}

async function find({ appId, process }: LogQuery, { engine }: LogDeps): Promise<ContainerSummary[]> {
  const containers = await engine.listContainers({ all: true, labels: [`${labels.appId}=${appId}`] });
  return containers.filter((container) => isOfProcess(container.Labels[labels.process] ?? '', process));
}

/** Writes the last lines of all containers, merged; gives the time of each container's last line. */
async function writeNewest(
  containers: readonly ContainerSummary[],
  query: LogQuery,
  deps: LogDeps,
): Promise<Map<string, string>> {
  const lastTimes = new Map<string, string>();
  let lines: LogLine[] = [];
  for (const container of containers) {
    const own: LogLine[] = [];
    const process = container.Labels[labels.process] ?? '';
    for await (const line of stamped(container.Id, { tail: query.lines }, deps))
      own.push(toLogLine(process, line));
    const last = own.at(-1);
    if (last) lastTimes.set(container.Id, last.time);
    lines = newest([...lines, ...own], query.lines);
  }
  for (const line of lines) await deps.write(line);
  return lastTimes;
}

/** Where following begins: after a line that was shown, at the end, or (empty) at the container's first line. */
interface FollowFrom {
  after?: string;
  tail?: number;
}

function followFrom(lastTime: string | undefined, lines: number): FollowFrom {
  if (lastTime !== undefined) return { after: lastTime };
  return lines === 0 ? { tail: 0 } : {}; // it has printed nothing yet, or nothing of it was asked for
}

async function follow(container: ContainerSummary, from: FollowFrom, deps: LogDeps): Promise<void> {
  const process = container.Labels[labels.process] ?? '';
  const { after, tail } = from;
  const options = {
    follow: true,
    ...(after === undefined ? {} : { since: sinceSeconds(after) }),
    ...(tail === undefined ? {} : { tail }),
  };
  for await (const line of stamped(container.Id, options, deps)) {
    if (after !== undefined && line.time <= after) continue;
    await deps.write(toLogLine(process, line));
  }
}

async function* stamped(
  containerId: string,
  options: { tail?: number; follow?: boolean; since?: number },
  { engine, signal }: LogDeps,
): AsyncGenerator<StampedLine> {
  const { Config, HostConfig } = await engine.inspectContainer(containerId);
  if (HostConfig?.LogConfig?.Type === 'none') return; // a run of a user: nothing is kept
  const cutters = { stdout: new LineCutter(), stderr: new LineCutter() };
  try {
    for await (const chunk of engine.logs(containerId, {
      ...options,
      timestamps: true,
      tty: Config.Tty,
      signal,
    }))
      yield* cutters[chunk.stream].push(chunk.data.toString('utf8'));
  } catch (error) {
    if (!signal.aborted && !options.follow) throw error;
  }
  yield* cutters.stdout.end();
  yield* cutters.stderr.end();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
