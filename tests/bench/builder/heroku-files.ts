// The folder that an unmodified Heroku Node.js buildpack is run from, and the Node archive it is given in place of nodejs.org's. Used by run.ts.
import { chmodSync, cpSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { PlatformNode } from '@berth/builder/platform-node.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import type { BuildpackSettings } from './berth.ts';

/** `buildpack`: a folder with heroku-buildpack-nodejs. A sentence when it is none. */
export function checkBuildpack(buildpack: string): string | undefined {
  const variable = 'BERTH_BENCH_HEROKU_NODEJS';
  if (buildpack === '') return `set ${variable} to a folder with heroku-buildpack-nodejs`;
  const hasCompile = statSync(join(buildpack, 'bin/compile'), { throwIfNoEntry: false })?.isFile();
  return hasCompile ? undefined : `${variable}: "${buildpack}" has no bin/compile`;
}

/** Fills `folder`, which the builder must allow for buildpacks. */
export async function herokuFiles(
  folder: string,
  buildpack: string,
  { version, nodeFile, npmDir }: PlatformNode,
): Promise<BuildpackSettings> {
  cpSync(buildpack, join(folder, 'nodejs'), { recursive: true });
  const name = `node-v${version}-linux-x64`;
  const root = join(folder, name);
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'lib/node_modules'), { recursive: true });
  cpSync(nodeFile, join(root, 'bin/node'));
  cpSync(npmDir, join(root, 'lib/node_modules/npm'), { recursive: true });
  for (const program of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${program}-cli.js`, join(root, 'bin', program));
  const archive = join(folder, `${name}.tar.gz`);
  await runCommandOk(['tar', '-C', folder, '-I', 'gzip -1', '-cf', archive, name], { timeoutMs: 120_000 });
  for (const path of [folder, archive]) chmodSync(path, 0o755);
  return { buildpack: join(folder, 'nodejs'), vars: { NODE_BINARY_URL: `file://${archive}` } };
}
