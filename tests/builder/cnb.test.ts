// Apps on a Cloud Native builder, through the real lifecycle: first build, layers taken over, failures, what phases may see, rebase.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { layoutNames, layoutPath, sparseLayout } from '@berth/builder/cnb/image-layout.ts';
import { runBuild } from '@berth/builder/run-build.ts';
import type { BuildLayer, BuildResult } from '@berth/contract/build.ts';
import { shellCommand } from '@berth/controller/shell-command.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { builderTag, makeBuilder, makeRunImage, runTag } from './cnb-builder.ts';
import type { FakeBuild } from './fake-controller.ts';
import { findLifecycle, type Lifecycle } from './lifecycle.ts';
import { type BuildOptions, type Files, openWorkbench, type Workbench } from './workbench.ts';

const lifecycle = await findLifecycle();
const options = {
  skip: lifecycle
    ? false
    : 'there is no lifecycle here, and no Go (/usr/local/go, BERTH_TEST_GO) to compile it with',
};
const settings = { stack: `cnb:${builderTag}` };
const page = { 'page.txt': 'hello\n', 'assets/logo.txt': 'logo\n', bin: null };

let bench: Workbench;
let first: FakeBuild;

before(
  async () => {
    if (!lifecycle) return;
    bench = await openWorkbench({ BERTH_BUILD_DISK_MB: '96' }, { name: 'bbcnb' });
    await makeRunImage(bench.engine, runTag);
    await makeBuilder(bench.engine, lifecycle);
    first = await build(page, { vars: { GREETING: 'hi there' } });
  },
  { timeout: 900_000 },
);
after(() => bench?.close());

function build(files: Files, more: BuildOptions = {}): Promise<FakeBuild> {
  return bench.build(files, { app: 'site', settings, ...more });
}

function resultOf({ end, output }: FakeBuild): BuildResult {
  assert.equal(end?.status, 'succeeded', output);
  return end.result;
}

async function refused(
  files: Files,
  more: BuildOptions = {},
): Promise<{ error: string; hint: string; output: string }> {
  const { end, output } = await build(files, { app: 'other', ...more });
  assert.equal(end?.status, 'failed', output);
  return { error: end.error, hint: end.hint ?? '', output };
}

/** The command of a process type or of a one-off run, started as the platform does: behind the image's ENTRYPOINT. */
async function run(image: string, line: string, env: Record<string, string> = {}): Promise<string> {
  const { engine } = bench;
  const container = await engine.createContainer({
    Image: image,
    Cmd: shellCommand(line),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    HostConfig: { NetworkMode: 'none', Memory: 256 * 1024 * 1024 },
  });
  try {
    const attached = await engine.attach(container);
    await engine.startContainer(container);
    let output = '';
    for await (const { data } of attached.output()) output += data.toString('utf8');
    await engine.waitContainer(container);
    return output;
  } finally {
    await engine.removeContainer(container, { force: true });
  }
}

function digests(layers: readonly BuildLayer[], name: string): string[] {
  return layers.filter((layer) => layer.name === name).map(({ diffId }) => diffId);
}

test('the lifecycle makes an image on the run image, and says who built it', options, async () => {
  const result = resultOf(first);
  const own = result.layers.slice(2).map(({ name }) => name);
  assert.deepEqual(
    result.layers.slice(0, 2).map(({ name }) => name),
    ['run image 1', 'run image 2'],
  );
  assert.deepEqual(own, [
    'test/site:runtime',
    'test/site:tool',
    ...(own.includes('sbom') ? ['sbom'] : []),
    ...['app', 'app', 'launcher', 'config', 'process-types'],
  ]);
  assert.equal(result.language, 'test/site 1.2.3');
  assert.deepEqual(result.processTypes, { web: '/cnb/process/web', worker: '/cnb/process/worker' });
  assert.equal(result.detected.driver, 'cnb');
  assert.deepEqual(result.details.slice(1), [`Run image ${runTag}`, 'Buildpack test/site 1.2.3']);
  assert.match(first.output, /tool: made[\s\S]*runtime: made[\s\S]*builds before: 0/);
});

test(
  'a process type, another command and a one-off shell get the environment of the buildpacks, once',
  options,
  async () => {
    const { image, processTypes } = resultOf(first);
    assert.equal(await run(image, processTypes['web'] ?? ''), 'HELLO\ntool says :once\n');
    assert.equal(await run(image, processTypes['worker'] ?? ''), 'tool says works\n');
    assert.equal(await run(image, 'tool $MARKS $MINE', { MINE: 'mine' }), 'tool says :once mine\n');
    assert.equal(await run(image, 'id -u; pwd'), '1001\n/workspace\n');
  },
);

test(
  'buildpacks get config vars as files and neither images, cache nor registry; no value is in the image',
  options,
  async () => {
    assert.match(first.output, /greeting: 8 characters in the environment, 8 in a file/);
    assert.match(first.output, /images in reach: 0/);
    assert.match(first.output, /network: .*eth0/);
    const { image } = resultOf(first);
    const found = await run(
      image,
      'grep -rl "hi there" /layers /workspace /cnb /berth /platform 2>/dev/null; env',
    );
    assert.doesNotMatch(found, /hi there|^\//m);
  },
);

test(
  'a one-line change makes one layer of the app; the rest is taken over, what is launched only without its bytes',
  options,
  async () => {
    const before = resultOf(first);
    const changed = await build({ ...page, 'page.txt': 'hello you\n' }, { vars: { GREETING: 'hi there' } });
    const result = resultOf(changed);
    assert.match(
      changed.output,
      /tool: restored[\s\S]*runtime: taken over from the last image[\s\S]*builds before: 1/,
    );
    const made = result.layers.filter(({ cached }) => !cached);
    assert.deepEqual(
      made.map(({ name }) => name),
      ['app'],
    );
    for (const name of ['test/site:runtime', 'test/site:tool', 'launcher', 'config', 'process-types'])
      assert.deepEqual(digests(result.layers, name), digests(before.layers, name), name);
    assert.equal(
      digests(result.layers, 'app')[0],
      digests(before.layers, 'app')[0],
      'the slice of the assets',
    );
    assert.equal(await run(result.image, '/cnb/process/web'), 'HELLO YOU\ntool says :once\n');
    // What the image of the last build had is there although this build has not seen it.
    assert.equal(await run(result.image, 'wc -c < /layers/test_site/runtime/blob'), '300000\n');
  },
);

test(
  'the same tree is not built again, and a build without caches gives the same layers',
  options,
  async () => {
    const again = await build(page, { vars: { GREETING: 'hi there' } });
    assert.ok(resultOf(again).reused, again.output);
    const fresh = await build(page, { vars: { GREETING: 'hi there' }, noCache: true });
    const result = resultOf(fresh);
    assert.match(fresh.output, /tool: made[\s\S]*runtime: made[\s\S]*builds before: 0/);
    assert.deepEqual(
      result.layers.map(({ diffId }) => diffId),
      resultOf(first).layers.map(({ diffId }) => diffId),
    );
    assert.ok(result.layers.slice(2).every(({ cached }) => !cached));
  },
);

test(
  'a Procfile beside the buildpacks says how the app starts, with their environment',
  options,
  async () => {
    const result = resultOf(
      await build({ ...page, Procfile: 'web: tool serves $MARKS\n' }, { app: 'procfile' }),
    );
    assert.equal(await run(result.image, result.processTypes['web'] ?? ''), 'tool says serves :once\n');
  },
);

test(
  'a commit that no buildpack takes, and buildpacks that fail, are told apart; a failed build leaves no cache',
  options,
  async () => {
    const none = await refused({ 'index.html': '' });
    assert.equal(none.error, `no buildpack of the builder "${builderTag}" fits the commit`);
    const broken = await refused({ ...page, 'broken-detect': '' });
    assert.match(broken.error, /fits the commit, and one failed while it looked$/);
    assert.match(broken.output, /detect is broken/);
    const failing = await refused({ ...page, 'broken-build': '' });
    assert.equal(failing.error, 'a buildpack failed');
    assert.match(failing.output, /the page does not compile/);
    const good = await build(page, { app: 'other' });
    assert.match(good.output, /builds before: 0/);
  },
);

test('a build that writes more than it may into its layers is ended', options, async () => {
  const { error } = await refused({ ...page, 'fill-the-disk': '' });
  assert.equal(error, 'the build wrote more than 96 MB');
});

test(
  "whoever knows the digest of somebody else's layer does not get it by naming it in an image",
  options,
  async () => {
    const { engine } = bench;
    const run = await engine.inspectImage(runTag);
    assert.ok(run);
    const [stack = '', top = ''] = run.RootFS.Layers;
    const below = layoutPath(layoutNames.run).length;
    const layout = sparseLayout(layoutNames.run, run, [0, 0]).map((file) => ({
      ...file,
      path: file.path.slice(below),
    }));
    const other = { path: `blobs/sha256/${top.slice(7)}`, mode: 0o644, content: Buffer.alloc(1024) };
    const load = (files: typeof layout, known: string[]) =>
      engine.loadImage(writeTar(fileEntries(files)), { known, signal: AbortSignal.timeout(30_000) });
    assert.match(await load(layout, [stack, top]), /^sha256:/);
    await assert.rejects(load(layout, [stack]), /the archive lacks "blobs/);
    await assert.rejects(load([...layout, other], [stack]), /of the archive has another digest/);
  },
);

test(
  'an image that is no builder, or one that cannot be had or spoken with, is refused with what to do',
  options,
  async () => {
    const on = (image: string) => refused(page, { settings: { stack: `cnb:${image}` } });
    assert.match((await on(runTag)).error, /is no Cloud Native builder: it has no label/);
    assert.match(
      (await on('127.0.0.1:1/nobody/builder:1')).error,
      /^the builder "127.0.0.1:1\/nobody\/builder:1" cannot be pulled: /,
    );
    const make = (tag: string, change: Parameters<typeof makeBuilder>[3]) =>
      makeBuilder(bench.engine, lifecycle as Lifecycle, tag, change);
    await make('cnb.example/root:1', { env: ['CNB_USER_ID=0', 'CNB_GROUP_ID=0'] });
    assert.match((await on('cnb.example/root:1')).error, /name no user but root$/);
    const apis = { platform: { supported: ['0.7', '0.10'] } };
    await make('cnb.example/old:1', { metadata: { lifecycle: { version: '0.14.0', apis } } });
    const old = await on('cnb.example/old:1');
    assert.match(
      old.error,
      /^the lifecycle 0.14.0 of the builder "cnb.example\/old:1" speaks Platform API 0.7, 0.10$/,
    );
    assert.match(old.hint, /speaks 0.12 or 0.13/);
    await make('cnb.example/lost:1', { metadata: { images: [{ image: '127.0.0.1:1/nobody/run:1' }] } });
    assert.match(
      (await on('cnb.example/lost:1')).error,
      /^the run image of the builder "127.0.0.1:1\/nobody\/run:1" cannot be pulled/,
    );
  },
);

test(
  'a rebase puts the image onto the newer run image without a build, where both say that it may',
  options,
  async () => {
    const before = resultOf(await build(page, { app: 'rebased' }));
    const rebase = async (of: BuildResult) => {
      const prepared = await bench.prepare({ x: '' }, { app: 'rebased' });
      Object.assign(prepared.started, { rebase: { result: of } });
      await runBuild(bench.shop, prepared.started.id);
      return prepared;
    };
    const same = await rebase(before);
    assert.equal(
      same.end?.status === 'failed' && /stands on the newest run image already/.test(same.end.error),
      true,
    );
    await makeRunImage(bench.engine, runTag, { 'etc/run-image': 'second\n' });
    const result = resultOf(await rebase(before));
    assert.equal(await run(before.image, 'cat /etc/run-image'), 'first\n');
    assert.equal(await run(result.image, 'cat /etc/run-image; tool $MARKS'), 'second\ntool says :once\n');
    assert.deepEqual(result.layers.slice(2), before.layers.slice(2));
    assert.match(result.rebasedOnto ?? '', /^cnb.example\/run:1 \([0-9a-f]{12}\)$/);
    // The next push stands on it, and still takes its layers over.
    const next = await build({ ...page, 'page.txt': 'next\n' }, { app: 'rebased' });
    assert.match(next.output, /tool: restored[\s\S]*runtime: taken over from the last image/);
    await makeRunImage(
      bench.engine,
      runTag,
      { 'etc/run-image': 'third\n' },
      { 'io.buildpacks.base.distro.name': 'other' },
    );
    const other = await rebase(result);
    assert.equal(other.end?.status, 'failed', other.output);
    assert.match(
      other.end.error,
      /has io.buildpacks.base.distro.name=other, the image was built for debian$/,
    );
  },
);
