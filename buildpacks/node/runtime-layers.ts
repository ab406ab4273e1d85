// The layers below a Node app: the runtime, the package manager, and the headers for native packages. Used by driver.ts.
// The same for every app that asks for the same versions, so no config var may reach them.
import type { PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { type Facts, mayCompile } from './facts.ts';
import { fetchHeadersScript, fetchManagerScript, fetchRuntimeScript } from './install-commands.ts';
import { npmFor } from './node-version.ts';

export const nodePath = ['/opt/berth/node/bin', '/app/node_modules/.bin'];

/** npm without talk. */
export const quietNpm = {
  npm_config_cache: '/cache/npm',
  npm_config_update_notifier: 'false',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
  npm_config_progress: 'false',
  npm_config_loglevel: 'warn',
};

export function runtimeLayers(facts: Facts): PlannedLayer[] {
  const { node, manager, arch } = facts;
  const layers: PlannedLayer[] = [];
  if (node.isPlatforms)
    layers.push({ kind: 'seed', id: 'runtime', inImage: true, part: 'runtime', prefix: '/opt/berth/node' });
  else {
    layers.push({
      kind: 'seed',
      id: 'toolbox',
      inImage: false,
      part: 'runtime',
      prefix: '/opt/berth/toolbox',
    });
    const env = {
      NODE_PACKAGE: `node-linux-${arch}`,
      NODE_VERSION: node.version,
      NPM_RANGE: npmFor(node.version) ?? '',
    };
    layers.push({
      ...platformStep('runtime', `Installing Node.js ${node.version}`, fetchRuntimeScript, env),
      on: ['toolbox'],
      path: ['/opt/berth/toolbox/bin'],
    });
  }
  if (manager.provider) {
    const { name, version } = manager.provider;
    const env = { MANAGER_PACKAGE: name, MANAGER_VERSION: version };
    layers.push({
      ...platformStep('manager', `Installing ${manager.label} ${version}`, fetchManagerScript, env),
      on: ['runtime'],
    });
  }
  if (mayCompile(facts)) layers.push(headersLayer(facts));
  return layers;
}

/** Node's headers for native packages; below an install, never in the image. */
function headersLayer({ node, arch }: Facts): PlannedLayer {
  const prefix = '/opt/berth/node-headers';
  if (node.isPlatforms) return { kind: 'seed', id: 'headers', inImage: false, part: 'headers', prefix };
  const env = { NODE_PACKAGE: `node-linux-${arch}`, NODE_VERSION: node.version };
  const step = platformStep(
    'headers',
    `Installing headers of Node.js ${node.version}`,
    fetchHeadersScript,
    env,
  );
  return { ...step, inImage: false, on: ['toolbox'], path: ['/opt/berth/toolbox/bin'], keep: prefix };
}

/** Tells node-gyp where the headers are; without it, it would ask nodejs.org. */
export function gypSettings({ node, manager }: Facts): Record<string, string> {
  const dir = '/opt/berth/node-headers';
  // The newer spelling; npm 11 warns about the older one, which older tools need.
  const older = manager.kind !== 'npm' || npmFor(node.version) !== undefined;
  return { npm_package_config_node_gyp_nodedir: dir, ...(older ? { npm_config_nodedir: dir } : {}) };
}

function platformStep(id: string, title: string, script: string, env: Record<string, string>): RunLayer {
  return {
    kind: 'run',
    id,
    inImage: true,
    title,
    step: id === 'runtime' ? 'runtime' : 'package manager',
    on: [],
    key: [JSON.stringify(env)],
    scope: 'platform',
    files: [],
    stack: 'run',
    user: 'root',
    script,
    env: { ...quietNpm, ...env },
    path: nodePath,
    vars: 'none',
    caches: { npm: '/cache/npm' },
    keep: '/opt/berth/node',
    leaveOut: [],
    quiet: true,
  };
}
