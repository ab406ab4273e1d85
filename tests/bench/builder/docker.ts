// `docker build` by Debian's docker.io as a contender, with the Dockerfile that everybody writes: package files, npm ci, the rest.
// The base has the same Debian, Node and npm as ours. Builds are on the host's network, so that this dockerd needs no rules on the machine.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PlatformNode } from '@berth/builder/platform-node.ts';
import type { BuildSources } from '@berth/builder/sources.ts';
import { type Engine, image as rootfsImage, startDockerd } from '../engine/engines.ts';
import type { Contender } from './contender.ts';
import { nextState, type SampleState, sampleFiles } from './sample.ts';

const dockerfile = `FROM base
WORKDIR /app
COPY package*.json ./
RUN npm ci --omit=dev
COPY . .
CMD ["node", "server.js"]
`;

/** `rootfs`: the tar that our stack is made from. A sentence when dockerd is not there. */
export async function dockerBuild(
  work: string,
  rootfs: string,
  { node, sources }: { node: PlatformNode; sources: BuildSources },
): Promise<Contender | string> {
  const docker = await startDockerd(work, readFileSync(rootfs), 'host');
  if (typeof docker === 'string') return docker;
  try {
    await makeBase(docker, join(work, 'docker-base'), node, sources);
    return contender(docker, join(work, 'docker-app'));
  } catch (error) {
    await docker.stop();
    throw error;
  }
}

async function makeBase(
  docker: Engine,
  folder: string,
  { nodeFile, npmDir }: PlatformNode,
  { env, binds }: BuildSources,
): Promise<void> {
  mkdirSync(folder);
  cpSync(nodeFile, join(folder, 'node'));
  cpSync(npmDir, join(folder, 'npm'), { recursive: true, dereference: true });
  const bundle = binds[0]?.split(':')[0];
  if (bundle !== undefined) cpSync(bundle, join(folder, 'ca.crt'), { dereference: true });
  const lines = [
    `FROM ${rootfsImage}`,
    'COPY node /usr/local/bin/node',
    'COPY npm /usr/local/lib/node_modules/npm',
    'RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm',
    ...(bundle === undefined ? [] : ['COPY ca.crt /etc/ssl/certs/ca-certificates.crt']),
    ...Object.entries(env).map(([name, value]) => `ENV ${name}=${value}`),
    'ENV NODE_ENV=production npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false',
  ];
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
  await docker.docker('build', '-q', '--network', 'host', '-t', 'base', folder);
}

async function contender(docker: Engine, folder: string): Promise<Contender> {
  mkdirSync(folder);
  let state: SampleState = { line: 0, added: 0 };
  const build = async (...options: string[]) => {
    const files = { ...sampleFiles(state), Dockerfile: dockerfile };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const begun = performance.now();
    await docker.docker('build', '-q', '--network', 'host', '-t', 'sample', ...options, folder);
    return performance.now() - begun;
  };
  await build();
  return {
    name: 'docker build',
    repeats: (what) => (what === 'no change' || what === 'one line' ? 3 : 1),
    measure: (what) => {
      if (what === 'cold') return build('--no-cache');
      state = nextState(state, what);
      return build();
    },
    close: () => docker.stop(),
  };
}
