// A Cloud Native builder and its run image, composed in a test's engine: the platform's stack, the lifecycle, a small buildpack. Used by cnb.test.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseImageConfig } from '@berth/builder/image.ts';
import { runStack } from '@berth/builder/steps/stack.ts';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { fileEntries, type TarEntry, writeTar } from '@berth/kit/write-tar.ts';
import type { Lifecycle } from './lifecycle.ts';

export const builderTag = 'cnb.example/builder:1';
export const runTag = 'cnb.example/run:1';

/** Platform APIs as the lifecycle's label lists them. */
const apis = { supported: ['0.7', '0.8', '0.9', '0.10', '0.11', '0.12', '0.13', '0.14'], deprecated: [] };

export async function makeRunImage(
  engine: EngineClient,
  tag: string,
  files: Record<string, string> = {},
  labels: Record<string, string> = {},
): Promise<string> {
  const { layers } = await runStack(engine);
  const content = Object.entries({ 'etc/run-image': 'first\n', ...files });
  const tar = writeTar(
    fileEntries(content.map(([path, text]) => ({ path, mode: 0o644, content: Buffer.from(text) }))),
  );
  const layer = await engine.makeLayer(tar, { uid: 0, gid: 0, mtime: 1 });
  const base = baseImageConfig(process.arch === 'arm64' ? 'arm64' : 'x64');
  return engine.makeImage({
    config: {
      ...base,
      config: {
        User: '1001:1000',
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Labels: { 'io.buildpacks.base.distro.name': 'debian', 'io.buildpacks.rebasable': 'true', ...labels },
      },
    },
    layers: [...layers, layer.diffId],
    tags: [tag],
  });
}

export async function makeBuilder(
  engine: EngineClient,
  { folder, version }: Lifecycle,
  tag = builderTag,
  change: { env?: string[]; metadata?: object } = {},
): Promise<string> {
  const { layers } = await runStack(engine);
  const program = (name: string) => readFileSync(join(folder, name));
  const buildpack = (path: string) => readFileSync(new URL(`../fixtures/cnb/site/${path}`, import.meta.url));
  const below = 'cnb/buildpacks/test_site/1.2.3';
  const files = [
    { path: 'cnb/lifecycle/lifecycle', mode: 0o755, content: program('lifecycle') },
    { path: 'cnb/lifecycle/launcher', mode: 0o755, content: program('launcher') },
    { path: `${below}/buildpack.toml`, mode: 0o644, content: buildpack('buildpack.toml') },
    { path: `${below}/bin/detect`, mode: 0o755, content: buildpack('bin/detect') },
    { path: `${below}/bin/build`, mode: 0o755, content: buildpack('bin/build') },
    {
      path: 'cnb/order.toml',
      mode: 0o644,
      content: Buffer.from('[[order]]\n[[order.group]]\nid = "test/site"\nversion = "1.2.3"\n'),
    },
  ];
  const links = ['analyzer', 'detector', 'restorer', 'builder', 'exporter'].map(
    (phase): TarEntry => ({
      path: `cnb/lifecycle/${phase}`,
      kind: 'symlink',
      mode: 0o777,
      size: 0,
      linkTarget: 'lifecycle',
    }),
  );
  const layer = await engine.makeLayer(writeTar([...fileEntries(files), ...links]), {
    uid: 0,
    gid: 0,
    mtime: 1,
  });
  const base = baseImageConfig(process.arch === 'arm64' ? 'arm64' : 'x64');
  const metadata = {
    images: [{ image: runTag, mirrors: [] }],
    lifecycle: { version, apis: { platform: apis } },
    ...change.metadata,
  };
  return engine.makeImage({
    config: {
      ...base,
      config: {
        User: '1000:1000',
        Env: [
          'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          ...(change.env ?? ['CNB_USER_ID=1000', 'CNB_GROUP_ID=1000']),
        ],
        Labels: { 'io.buildpacks.builder.metadata': JSON.stringify(metadata) },
      },
    },
    layers: [...layers, layer.diffId],
    tags: [tag],
  });
}
