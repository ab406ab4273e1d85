// The package manager alone as a contender: `npm ci` by the platform's Node on the host, with the settings that our builds use.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PlatformNode } from '@berth/builder/platform-node.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { quietNpm } from '../../../buildpacks/node/runtime-layers.ts';
import type { Contender } from './contender.ts';
import { nextState, type SampleState, sampleFiles } from './sample.ts';

/** The registry that the machine's npm uses. */
export async function registryUrl({ nodeFile, npmDir }: PlatformNode): Promise<string> {
  const { stdout } = await runCommandOk(
    [nodeFile, join(npmDir, 'bin/npm-cli.js'), 'config', 'get', 'registry'],
    { env: { ...process.env } as Record<string, string> },
  );
  return stdout.toString('utf8').trim();
}

/** `env`: what the sources table gives every build. */
export async function npmAlone(
  work: string,
  { nodeFile, npmDir }: PlatformNode,
  env: Record<string, string>,
): Promise<Contender> {
  let state: SampleState = { line: 0, added: 0 };
  const warm = join(work, 'npm-cache');
  const install = async (cache: string) => {
    const folder = mkdtempSync(join(work, 'npm-'));
    for (const [name, content] of Object.entries(sampleFiles(state)))
      writeFileSync(join(folder, name), content);
    mkdirSync(cache, { recursive: true });
    const begun = performance.now();
    await runCommandOk([nodeFile, join(npmDir, 'bin/npm-cli.js'), 'ci', '--omit=dev'], {
      cwd: folder,
      env: {
        ...quietNpm,
        ...env,
        ...caOfHost(),
        npm_config_cache: cache,
        NODE_ENV: 'production',
        PATH: '/usr/bin:/bin',
        HOME: folder,
      },
      timeoutMs: 120_000,
    });
    const ms = performance.now() - begun;
    rmSync(folder, { recursive: true });
    return ms;
  };
  await install(warm);
  return {
    name: 'npm ci alone',
    repeats: (what) => (what === 'one dependency' ? 2 : 1),
    measure: async (what) => {
      if (what === 'cold') return install(mkdtempSync(join(work, 'npm-cold-')));
      if (what !== 'one dependency') return undefined;
      state = nextState(state, what);
      return install(warm);
    },
    close: async () => {},
  };
}

/** The table names the bundle's place in a container; the host has it elsewhere. */
function caOfHost(): Record<string, string> {
  const bundle = process.env['NODE_EXTRA_CA_CERTS'] ?? '/etc/ssl/certs/ca-certificates.crt';
  return { NODE_EXTRA_CA_CERTS: bundle, npm_config_cafile: bundle };
}
