// The same app through the whole platform: `git push` until git has returned (no change) and until the new release answers (one line).
// Used by run.ts; push-to-live looks closer at the latter.
import { makeApp } from '../../helpers/app.ts';
import type { TestPlatform } from '../../helpers/platform.ts';
import { median } from '../engine/report.ts';
import { untilServed } from '../until-served.ts';
import { sampleFiles } from './sample.ts';

export async function wholePush(platform: TestPlatform, rounds: number): Promise<string> {
  const files = sampleFiles({ line: 0, added: 0 });
  const source = (version: string) =>
    `${files['server.js']}`.replace("'hello from express\\n'", JSON.stringify(version));
  const app = await makeApp(platform, 'pushed', { ...files, 'server.js': source('one') });
  const push = async () => {
    const pushed = await app.push();
    if (pushed.exitCode !== 0) throw new Error(pushed.output);
    return pushed.ms;
  };
  await push();
  const same: number[] = [];
  const returned: number[] = [];
  const served: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await app.commit({});
    same.push(await push());
    const version = `version ${round}`;
    await app.commit({ 'server.js': source(version) });
    const start = performance.now();
    const pushing = push();
    served.push(await untilServed(platform.httpPort, 'pushed.localhost', version, start));
    returned.push(await pushing);
  }
  const row = (what: string, all: number[]) => {
    const warm = all.slice(1); // the first round warms caches
    return `| ${what} | ${median(warm).toFixed(0)} | ${Math.min(...warm).toFixed(0)} | ${warm.length} |`;
  };
  return `| the whole push, ms | median | least | n |
|---|--:|--:|--:|
${row('no change: git has returned, the release is live', same)}
${row('one line: the first 200 of the new release', served)}
${row('one line: git has returned', returned)}
`;
}
