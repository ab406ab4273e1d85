// builds and builds:info against a fake API: what was built, why, of what, and how long it took.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Build } from '@berth/contract/build.ts';
import { CliFixture } from './cli-fixture.ts';

let fixture: CliFixture;
before(async () => {
  fixture = await CliFixture.start();
  await fixture.login();
});
after(() => fixture.close());

const digest = `sha256:${'a'.repeat(64)}`;
const build: Build = {
  number: 7,
  status: 'succeeded',
  commit: 'c'.repeat(40),
  tree: 'd'.repeat(40),
  image: digest,
  language: 'Node.js',
  trigger: 'push',
  detected: { driver: 'node', label: 'Node.js', why: 'package.json at the root' },
  details: ['Node.js 24.21.0 (engines.node)', 'yarn 4.9.1'],
  warnings: ['submodule "lib" is left out'],
  layers: [
    { name: 'stack', diffId: digest, sizeBytes: 60_100_000, cached: true },
    { name: 'dependencies', diffId: digest, sizeBytes: 5_250_000, cached: true, seconds: 0.004 },
    { name: 'source', diffId: digest, sizeBytes: 4200, cached: false, seconds: 0.012 },
  ],
  sizeBytes: 65_354_200,
  settings: { buildpacks: ['node'], stack: null },
  noCache: true,
  release: 3,
  reused: false,
  steps: [
    { name: 'dependencies', seconds: 0.004, cached: true },
    { name: 'source', seconds: 0.012, cached: false },
  ],
  error: null,
  user: 'ada',
  createdAt: '2026-01-02T03:04:05.000Z',
  startedAt: '2026-01-02T03:04:05.020Z',
  finishedAt: '2026-01-02T03:04:05.500Z',
};
const failed: Build = {
  ...build,
  number: 8,
  status: 'failed',
  image: null,
  detected: null,
  language: null,
  details: [],
  warnings: [],
  layers: [],
  sizeBytes: null,
  settings: { buildpacks: [], stack: null },
  noCache: false,
  release: null,
  steps: [],
  error: 'no recognisable app in the commit',
};

test('builds:info tells what was detected and why, versions, layers with size and cache, and every time', async () => {
  fixture.api.routes.set('GET /v1/apps/hello/builds/7', () => build);
  const ran = await fixture.berth(['builds:info', '7', '-a', 'hello']);
  assert.equal(
    ran.stdout,
    `Build:    7
Status:   succeeded
By:       ada (git push, without caches)
Commit:   cccccccccccccccccccccccccccccccccccccccc
Detected: Node.js (package.json at the root)
Set:      node
Chosen:   Node.js 24.21.0 (engines.node)
Chosen:   yarn 4.9.1
Warning:  submodule "lib" is left out
Image:    ${digest}
Size:     65.4 MB
Release:  v3
Pushed:   2026-01-02T03:04:05.000Z
Queued:   0.02s
Took:     0.48s

STEP          TIME
dependencies  0.00s  cached
source        0.01s

LAYER         SIZE     TIME
stack         60.1 MB         cached
dependencies  5.3 MB   0.00s  cached
source        4.2 kB   0.01s
`,
  );
  assert.deepEqual(
    JSON.parse((await fixture.berth(['builds:info', '7', '-a', 'hello', '--json'])).stdout),
    build,
  );
});

test('a build that failed has its error and no tables', async () => {
  fixture.api.routes.set('GET /v1/apps/hello/builds', () => ({ builds: [failed, build] }));
  fixture.api.routes.set('GET /v1/apps/hello/builds/8', () => failed);
  const ran = await fixture.berth(['builds:info', '-a', 'hello']);
  assert.match(ran.stdout, /Took: {5}0\.48s\nError: {4}no recognisable app in the commit\n$/);
  assert.equal(
    (await fixture.berth(['builds', '-a', 'hello'])).stdout,
    `BUILD  STATUS     RELEASE  COMMIT   LANGUAGE  SIZE     TIME   BY    USER  CREATED
8      failed     -        ccccccc  -         -        0.50s  push  ada   2026-01-02T03:04:05.000Z
7      succeeded  v3       ccccccc  Node.js   65.4 MB  0.50s  push  ada   2026-01-02T03:04:05.000Z
`,
  );
});

test('builds:sbom lists packages and what is not known; --json gives the document as it is', async () => {
  const sbom = {
    bomFormat: 'CycloneDX',
    metadata: { properties: [{ name: 'berth:not-in-the-list', value: 'more' }] },
    components: [
      { group: '@s', name: 'b', version: '1.0.0', purl: 'pkg:npm/%40s/b@1.0.0' },
      { name: 'd', version: '2', scope: 'excluded', purl: 'pkg:npm/d@2' },
    ],
  };
  fixture.api.routes.set('GET /v1/apps/hello/builds/7/sbom', () => sbom);
  const ran = await fixture.berth(['builds:sbom', '7', '-a', 'hello']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(
    ran.stdout.split('\n').map((line) => line.trimEnd().replace(/ {2,}/g, ' | ')),
    ['TYPE | NAME | VERSION', 'npm | @s/b | 1.0.0', 'npm | d | 2 | not in the image', ''],
  );
  assert.match(ran.stderr, /not in the list: more/);
  const json = await fixture.berth(['builds:sbom', '7', '-a', 'hello', '--json']);
  assert.deepEqual(JSON.parse(json.stdout), sbom);
});
