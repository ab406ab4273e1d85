// Our builder as a contender: from a job taken to its result reported, with the real engine. The same builder runs an unmodified Heroku buildpack.
import type { Workbench } from '../../builder/workbench.ts';
import type { Contender } from './contender.ts';
import { nextState, type SampleState, sampleFiles } from './sample.ts';

export interface BuildpackSettings {
  buildpack: string;
  vars: Record<string, string>;
}

/** An app is warm once it was built; a cold build is one of an app that nobody has built. */
export async function berth(bench: Workbench): Promise<Contender> {
  let state: SampleState = { line: 0, added: 0 };
  let apps = 0;
  const build = async (app: string) => {
    const built = await bench.build(sampleFiles(state), { app });
    if (built.end?.status !== 'succeeded') throw new Error(`${JSON.stringify(built.end)}\n${built.output}`);
    return built;
  };
  await build('sample');
  return {
    name: 'Berth',
    repeats: (what) => ({ cold: 1, 'no change': 5, 'one line': 5, 'one dependency': 2 })[what],
    measure: async (what) => {
      if (what === 'cold') return (await build(`cold-${++apps}`)).ms;
      state = nextState(state, what);
      const { ms, end } = await build('sample');
      const reused = end?.status === 'succeeded' && end.result.reused;
      if (reused !== (what === 'no change')) throw new Error(`"${what}": reused is ${reused}`);
      return ms;
    },
    close: async () => {},
  };
}

/** A buildpack knows no build without a change: a config var that nothing reads changes each time, so that it runs again, with its cache. */
export async function herokuBuildpack(
  bench: Workbench,
  { buildpack, vars }: BuildpackSettings,
): Promise<Contender> {
  let state: SampleState = { line: 0, added: 0 };
  let builds = 0;
  const build = async (app: string) => {
    const built = await bench.build(sampleFiles(state), {
      app,
      vars: { ...vars, BENCH_BUILD: String(++builds) },
      settings: { buildpacks: [buildpack] },
    });
    if (built.end?.status !== 'succeeded') throw new Error(`${JSON.stringify(built.end)}\n${built.output}`);
    return built.ms;
  };
  await build('heroku');
  return {
    name: "Heroku's Node.js buildpack, unmodified",
    repeats: () => 1,
    maxRounds: 2,
    measure: (what) => {
      if (what === 'cold') return build(`heroku-cold-${builds}`);
      state = nextState(state, what);
      return build('heroku');
    },
    close: async () => {},
  };
}
