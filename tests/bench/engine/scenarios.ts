// What is timed: one row each, the same work for every engine that is there. Used by run.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, image, pssBytes } from './engines.ts';

export interface Row {
  what: string;
  unit: 'ms' | 'kB' | 'MB';
  /** Engine → every measurement. */
  figures: Map<string, number[]>;
  note?: string;
}

const atOnce = 100;
const idleContainers = 20;

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** One measurement of each engine in turn, so that a noisy moment hits all of them. */
export async function interleaved(
  what: string,
  engines: Engine[],
  rounds: number,
  work: (engine: Engine) => Promise<unknown>,
): Promise<Row> {
  const figures = new Map(engines.map(({ name }) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const engine of engines) {
      const ms = await timed(() => work(engine));
      if (round >= 0) figures.get(engine.name)?.push(ms); // the first one warms up
    }
  }
  return { what, unit: 'ms', figures };
}

export async function starts(engines: Engine[], rounds: number): Promise<Row[]> {
  const rows = [
    await interleaved('create, start, wait, remove through the API: /bin/true', engines, rounds, ({ api }) =>
      api.live(image, ['/bin/true']),
    ),
    await interleaved('the same without a network', engines, rounds, ({ api }) =>
      api.live(image, ['/bin/true'], { NetworkMode: 'none' }),
    ),
    await interleaved('`docker run --rm`', engines, rounds, ({ docker }) =>
      docker('run', '--rm', image, '/bin/true'),
    ),
    await interleaved('`docker run -d` and `docker rm -f`', engines, rounds, async ({ docker }) => {
      await docker('rm', '-f', await docker('run', '-d', image, '/bin/sleep'));
    }),
  ];
  return [...rows, ...(await execs(engines, rounds)), await manyAtOnce(engines)];
}

async function execs(engines: Engine[], rounds: number): Promise<Row[]> {
  const ids = new Map<string, string>();
  for (const { name, api } of engines) {
    const id = await api.create(image, ['/bin/sleep']);
    await api.start(id);
    ids.set(name, id);
  }
  const of = ({ name }: Engine) => ids.get(name) ?? '';
  const rows = [
    await interleaved('exec through the API: /bin/true', engines, rounds, (engine) =>
      engine.api.exec(of(engine), ['/bin/true']),
    ),
    await interleaved('`docker exec`', engines, rounds, (engine) =>
      engine.docker('exec', of(engine), '/bin/true'),
    ),
  ];
  for (const engine of engines) await engine.api.remove(of(engine));
  return rows;
}

async function manyAtOnce(engines: Engine[]): Promise<Row> {
  const figures = new Map<string, number[]>();
  const failed: string[] = [];
  for (const { name, api } of engines) {
    let failures = 0;
    const one = () => api.live(image, ['/bin/true']).catch(() => failures++);
    figures.set(name, [await timed(() => Promise.all(Array.from({ length: atOnce }, one)))]);
    if (failures > 0) failed.push(`${name}: ${failures} failed`);
  }
  const note = failed.length > 0 ? failed.join(', ') : 'none failed';
  return { what: `${atOnce} lives at once`, unit: 'ms', figures, note };
}

export async function memory(engines: Engine[]): Promise<Row[]> {
  const idle = new Map<string, number[]>();
  const each = new Map<string, number[]>();
  await sleep(6_000); // both have settled after their start
  for (const engine of engines) idle.set(engine.name, [pssBytes(engine.daemonPids()) / 1e6]);
  for (const { name, api, shimPids } of engines) {
    const ids = await Promise.all(
      Array.from({ length: idleContainers }, () => api.create(image, ['/bin/sleep'])),
    );
    for (const id of ids) await api.start(id);
    await sleep(1_000); // shims settle into their own cgroup
    each.set(name, [pssBytes(shimPids()) / 1000 / idleContainers]);
    await Promise.all(ids.map((id) => api.remove(id)));
  }
  return [
    { what: 'idle daemon and its helpers, PSS', unit: 'MB', figures: idle },
    { what: `supervision of one idle container, PSS (mean of ${idleContainers})`, unit: 'kB', figures: each },
  ];
}
