// The table: kill -9 of each process at each step of a push. After every cell the invariants hold, and the next push works:
// an acknowledged push is what is served; at most one release is current; numbers have no gap; no container without an instance.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { makeApp, startLoad, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

const parts = [
  'controller',
  'git-receiver',
  'builder',
  'scheduler',
  'host-agent',
  'engine',
  'router',
  'postgres',
  'redis',
] as const;
const steps = ['build', 'release phase', 'start', 'drain'] as const;
type Step = (typeof steps)[number];

/** Every step takes long enough to be hit, and not longer. */
function files(version: string): Record<string, string> {
  return {
    'package.json': JSON.stringify({
      name: 'chaos',
      version: '1.0.0',
      private: true,
      scripts: { build: `sleep 0.8; echo ${version} > built.txt` },
    }),
    'package-lock.json': JSON.stringify({
      name: 'chaos',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name: 'chaos', version: '1.0.0' } },
    }),
    Procfile: 'web: node server.js\nrelease: sleep 0.6\n',
    'server.js': `const http = require('node:http');
const server = http.createServer((request, response) => response.setHeader('x-release', process.env.BERTH_RELEASE).end('${version}'));
setTimeout(() => server.listen(process.env.PORT), 600);
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 1500));
`,
  };
}

interface ReleaseJson {
  number: number;
  current: boolean;
  status: string;
}

let platform: TestPlatform;
let app: TestApp;
let count = 0;

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'chaos', files('first'));
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
});
after(() => platform?.down());

for (const step of steps) {
  describe(`during the ${step} of a push`, () => {
    for (const part of parts) test(`kill -9 of ${part}`, { timeout: 120_000 }, () => cell(part, step));
  });
}

async function cell(part: string, step: Step): Promise<void> {
  const version = `cell-${++count}`;
  const commit = await app.commit(files(version));
  const load = startLoad(platform.httpPort, 'chaos', 20);
  const pushing = app.push(['main'], { timeoutMs: 100_000 });
  const pushed = await killInStep(part, step, pushing).finally(() => load.stop());
  await settled();
  if (part !== 'router')
    assert.deepEqual(load.failed.slice(0, 3), [], `${load.failed.length} of ${load.sent} requests failed`);
  await checkInvariants(pushed.exitCode === 0 ? { version, commit } : undefined);
  if (pushed.exitCode === 0) return;
  const again = await app.push();
  assert.equal(again.exitCode, 0, `the first try said:\n${pushed.output}\nthe second:\n${again.output}`);
  await settled();
  await checkInvariants({ version, commit });
}

async function killInStep<T>(part: string, step: Step, pushing: Promise<T>): Promise<T> {
  try {
    await reached(step);
    await platform.kill(part);
  } catch (error) {
    await pushing; // a push in flight would meet the next cell
    throw error;
  }
  return pushing;
}

/** Waits until the push is in the step, as the API shows it. */
async function reached(step: Step): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await isIn(step)) return;
    await sleep(25);
  }
  assert.fail(`the push did not reach its ${step}`);
}

async function isIn(step: Step): Promise<boolean> {
  const get = async <T>(path: string) => {
    const answer = await fetch(`${platform.apiUrl}/v1/apps/chaos/${path}`, {
      headers: { authorization: `Bearer ${platform.token()}` },
    });
    return (await answer.json()) as T;
  };
  if (step === 'build') {
    const { builds } = await get<{ builds: { status: string }[] }>('builds?limit=1');
    return builds[0]?.status === 'running';
  }
  const { releases } = await get<{ releases: ReleaseJson[] }>('releases?limit=1');
  if (step === 'release phase') return releases[0]?.status === 'release_phase';
  if (step === 'start') return releases[0]?.status === 'starting';
  const { instances } = await get<{ instances: { stopping: boolean; release: number }[] }>('instances');
  return instances.some((instance) => instance.stopping && instance.release < (releases[0]?.number ?? 0));
}

/** Every part serves, nothing is being built or deployed, and one instance runs. */
async function settled(): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const why = await unsettled().catch((error: Error) => error.message);
    if (why === undefined) return;
    if (Date.now() > deadline) assert.fail(`not settled after 60 s: ${why}`);
    await sleep(200);
  }
}

async function unsettled(): Promise<string | undefined> {
  const status = await platform.status();
  const away = status.parts.filter((part) => part.state !== 'ready').map((part) => part.name);
  if (away.length > 0) return `${away.join(', ')} away`;
  const [newest] = await releases();
  if (newest && !['succeeded', 'failed', 'superseded'].includes(newest.status))
    return `v${newest.number} is ${newest.status}`;
  const { instances } = await app
    .json<{ instances: { state: string; name: string }[] }>('ps')
    .then(normalize);
  if (instances.length !== 1 || instances[0]?.state !== 'ready')
    return `instances: ${JSON.stringify(instances)}`;
  return undefined;
}

function normalize<T>(found: { instances: T[] } | T[]): { instances: T[] } {
  return Array.isArray(found) ? { instances: found } : found;
}

async function releases(): Promise<ReleaseJson[]> {
  const listed = await app.json<{ releases: ReleaseJson[] } | ReleaseJson[]>('releases', '-n', '500');
  return Array.isArray(listed) ? listed : listed.releases;
}

async function checkInvariants(acknowledged: { version: string; commit: string } | undefined): Promise<void> {
  const all = await releases();
  assert.deepEqual(
    all.map((release) => release.number),
    Array.from(all, (_, i) => all.length - i),
    'release numbers have no gap',
  );
  assert.equal(all.filter((release) => release.current).length, 1, 'one release is current');
  assert.deepEqual(await orphans(), [], 'every running container is an instance');
  if (!acknowledged) return;
  const answer = await app.until((found) => found.status === 200);
  assert.equal(answer.body, acknowledged.version, 'an acknowledged push is what is served');
  const head = await app.git('ls-remote', 'berth', 'refs/heads/main');
  assert.equal(
    head.stdout.split('\t')[0],
    acknowledged.commit,
    'an acknowledged push is where the branch is',
  );
}

/** Running containers of the app beyond the one that serves. The stop of a drained one may take a moment. */
async function orphans(): Promise<string[]> {
  const engine = new EngineClient(`${platform.runDir()}/engine.sock`);
  try {
    const { instances } = normalize(await app.json<{ instances: { id: string }[] }>('ps'));
    const known = new Set(instances.map((instance) => instance.id));
    let stray: string[] = [];
    for (let i = 0; i < 50; i++) {
      const running = await engine.listContainers({ all: false, labels: ['berth.instance'] });
      const ids = running.map((container) => container.Labels?.['berth.instance'] ?? container.Id);
      stray = ids.filter((id) => !known.has(id));
      if (stray.length === 0) break;
      await sleep(200);
    }
    return stray;
  } finally {
    engine.close();
  }
}

test('nothing of the killed processes is left on the machine', () => {
  const zombies = execFileSync('ps', ['-eo', 'stat=,comm='])
    .toString('utf8')
    .split('\n')
    .filter((line) => /^Z.*berth/.test(line));
  assert.deepEqual(zombies, []);
});
