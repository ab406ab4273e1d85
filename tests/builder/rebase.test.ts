// A newer stack under images that are there already: their layers and config stay; what cannot be moved is refused.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { baseImageConfig } from '@berth/builder/image.ts';
import { dropOldStacks } from '@berth/builder/rebase/drop-old-stacks.ts';
import { rebaseImage } from '@berth/builder/rebase/rebase-image.ts';
import { stackVersions } from '@berth/builder/rebase/stack-versions.ts';
import { runBuild } from '@berth/builder/run-build.ts';
import type { BuildResult } from '@berth/contract/build.ts';
import recipe from '@berth/infra/stacks/debian-13/recipe.json' with { type: 'json' };
import { loadStack, stackCache } from '@berth/infra/stacks/make-stack.ts';
import { stackArchives } from '@berth/infra/stacks/stack-archive.ts';
import { stackKey } from '@berth/infra/stacks/stack-recipe.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
let image: string;
let changed: string;
let result: BuildResult;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbreb' });
  const build = await bench.build({
    'package.json': JSON.stringify({ name: 'a', version: '1.0.0', scripts: { start: 'node s.js' } }),
    's.js': 'console.log("hello")',
  });
  assert.equal(build.end?.status, 'succeeded', build.output);
  result = build.end.result;
  image = result.image;
  changed = await withFile(image, 'var/lib/dpkg/status', 'Package: another\n');
  await loadNewerStack();
});
after(() => bench?.close());

/** The image with one more layer. */
async function withFile(below: string, path: string, content: string): Promise<string> {
  const tar = writeTar(fileEntries([{ path, mode: 0o644, content: Buffer.from(content) }]));
  const layer = await bench.engine.makeLayer(tar, { uid: 0, gid: 0, mtime: 1 });
  const layers = (await bench.engine.inspectImage(below))?.RootFS.Layers ?? [];
  return bench.engine.makeImage({ config: baseImageConfig('x64'), layers: [...layers, layer.diffId] });
}

/** The machine's stack with one more file, in place of a mirror that has updates. */
async function loadNewerStack(): Promise<void> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const key = stackKey(recipe, 'run', arch);
  const archives = await stackArchives({ recipe, variant: 'run', arch, key }, stackCache, () => {});
  const folder = mkdtempSync('/tmp/berth-newer-stack-');
  try {
    const tar = join(folder, 'run.tar');
    copyFileSync(archives.tar, tar);
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/updated'), 'yes\n');
    await runCommandOk(['tar', '-r', '-f', tar, '-C', folder, './etc/updated']);
    await loadStack(bench.engine, 'run', { ...archives, tar }, { arch, key });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('an image gets the newer stack below its own layers and keeps its config', async () => {
  const rebased = await rebaseImage(bench.engine, image);
  assert.notEqual(rebased.image, image);
  const [old, now] = await Promise.all([
    bench.engine.inspectImage(image),
    bench.engine.inspectImage(rebased.image),
  ]);
  assert.deepEqual(now?.Config, old?.Config);
  assert.equal(now?.Created, old?.Created);
  assert.deepEqual(now?.RootFS.Layers, [rebased.onto.layer, ...(old?.RootFS.Layers.slice(1) ?? [])]);
  const { output } = await bench.runIn(rebased.image, 'cat /etc/updated; cd /app; node s.js');
  assert.equal(output, 'yes\nhello\n');
});

test('a build of the kind rebase reports the image on its new stack, and fails clearly when it stands there already', async () => {
  const rebase = async (of: BuildResult, app: string) => {
    const build = await bench.prepare({ x: '' }, { app });
    Object.assign(build.started, { rebase: { result: of } });
    await runBuild(bench.shop, build.started.id);
    return build;
  };
  const build = await rebase(result, 'first');
  assert.equal(build.end?.status, 'succeeded', build.output);
  const { image: rebased, onto } = await rebaseImage(bench.engine, image);
  assert.equal(build.end.result.image, rebased);
  assert.equal(build.end.result.rebasedOnto, onto.tag);
  assert.equal(build.end.result.layers[0]?.diffId, onto.layer);
  assert.deepEqual(build.end.result.processTypes, result.processTypes);
  const again = await rebase(build.end.result, 'second');
  assert.equal(again.end?.status, 'failed');
  assert.match(again.end.error, /stands on the newest stack already/);
});

test('an image that stands on the newest stack stays as it is', async () => {
  const { image: once } = await rebaseImage(bench.engine, image);
  const twice = await rebaseImage(bench.engine, once);
  assert.equal(twice.image, once);
  assert.equal(twice.from.tag, twice.onto.tag);
});

test('an image whose layers changed packages of the stack, or that stands on none, is refused with what to do', async () => {
  await assert.rejects(
    rebaseImage(bench.engine, changed),
    /a layer of the image has a version of its own of "\/var\/lib\/dpkg\/status"/,
  );
  const upgraded = await withFile(image, 'var/lib/dpkg/status.d/libc6', 'Package: libc6\n');
  await assert.rejects(
    rebaseImage(bench.engine, upgraded),
    /a layer of the image has a version of its own of "libc6"/,
  );
  const layers = (await bench.engine.inspectImage(image))?.RootFS.Layers.slice(1) ?? [];
  const scratch = await bench.engine.makeImage({ config: baseImageConfig('x64'), layers });
  await assert.rejects(rebaseImage(bench.engine, scratch), /stands on no stack of this platform/);
});

test('the old stack stays while an image that is kept stands on it, and goes afterwards', async () => {
  const { image: onNewest, from } = await rebaseImage(bench.engine, image);
  assert.deepEqual(await dropOldStacks(bench.engine, [onNewest, image]), []);
  assert.deepEqual(await dropOldStacks(bench.engine, [onNewest, 'sha256:gone']), [from.tag]);
  const left = await stackVersions(bench.engine);
  assert.deepEqual(
    left.map(({ isNewest }) => isNewest),
    [true],
  );
});
