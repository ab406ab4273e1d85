import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { BuildLayers } from './build-layers.ts';

const folder = mkdtempSync('/tmp/berth-build-layers-');
after(() => rmSync(folder, { recursive: true, force: true }));
const id = (letter: string) => `sha256:${letter.repeat(64)}`;

test('what the last build of each app was made with stays while the app is pushed to', async () => {
  const kept = new BuildLayers(folder);
  assert.deepEqual(kept.images(), []);
  const made: (readonly string[])[] = [];
  const engine = (image: string) => ({
    makeImage: async ({ layers }: { layers: readonly string[] }) => {
      made.push(layers);
      return image;
    },
  });
  await kept.keep(engine(id('a')), { appId: 'one', arch: 'x64' }, ['go', 'modules']);
  await kept.keep(engine(id('b')), { appId: 'two', arch: 'x64' }, ['rust']);
  await kept.keep(engine(id('c')), { appId: 'one', arch: 'x64' }, ['newer go']);
  await kept.keep(engine(id('d')), { appId: 'three', arch: 'x64' }, []);
  assert.deepEqual(made, [['go', 'modules'], ['rust'], ['newer go']]);
  assert.deepEqual(kept.images().sort(), [id('b'), id('c')]);
  const later = Date.now() + 15 * 24 * 3600_000;
  assert.deepEqual(kept.images(later), []);
  assert.deepEqual(kept.images(), [], 'and they are forgotten');
});
