// The layers below a Node app: the runtime, npm, another package manager, and the headers for native packages. Used by driver.ts.
// The same for every app that asks for the same versions, so no config var may reach them. Each has a folder of its own below /opt/berth.
import { readFileSync } from 'node:fs';
import type { PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { explainManager } from './explain.ts';
import { type Facts, mayCompile, type Part, tellsNeed } from './facts.ts';
import {
  fetchBunScript,
  fetchHeadersScript,
  fetchManagerScript,
  fetchNodeScript,
} from './install-commands.ts';
import type { NeededTools } from './needed-tools.ts';
import { npmFor } from './node-version.ts';

/** npm without talk. */
export const quietNpm = {
  npm_config_cache: '/cache/npm',
  npm_config_update_notifier: 'false',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
  npm_config_progress: 'false',
  npm_config_loglevel: 'warn',
};

const toolboxPath = ['/opt/berth/toolbox/bin'];
const stripBinary = readFileSync(new URL('strip-binary.mjs', import.meta.url), 'utf8');

/** Folders with programs, for the image and for every step. */
export function binFolders({ manager }: Facts, { folder }: Part): string[] {
  const own = manager.provider && manager.kind !== 'npm' ? [`/opt/berth/${manager.label}/bin`] : [];
  const workspace = folder === '' ? [] : [`/app/${folder}/node_modules/.bin`];
  return ['/opt/berth/node/bin', '/opt/berth/npm/bin', ...own, ...workspace, '/app/node_modules/.bin'];
}

/** What an install or a build stands on. */
export function toolLayers(facts: Facts): string[] {
  const { manager } = facts;
  const other = manager.provider && manager.kind !== 'npm' ? ['manager'] : [];
  const headers = mayCompile(facts) && !tellsNeed(facts) ? ['headers'] : [];
  return ['runtime', 'npm', ...other, ...headers];
}

export function runtimeLayers(facts: Facts, tools: NeededTools): PlannedLayer[] {
  const { node, manager } = facts;
  const runtime = nodeLayer(facts);
  const npm = npmLayer(facts);
  const layers: PlannedLayer[] = [
    { ...runtime, inImage: tools.node },
    { ...npm, inImage: tools.npm },
  ];
  if (manager.provider && manager.kind !== 'npm')
    layers.push({ ...managerLayer(facts), inImage: tools.manager });
  if (mayCompile(facts)) layers.push(headersLayer(facts));
  const fromRegistry = !node.isPlatforms || layers.some(({ kind }) => kind === 'run');
  const toolbox: PlannedLayer = {
    kind: 'seed',
    id: 'toolbox',
    inImage: false,
    part: 'runtime',
    prefix: '/opt/berth/toolbox',
  };
  return fromRegistry ? [toolbox, ...layers] : layers;
}

function nodeLayer({ node, arch }: Facts): PlannedLayer {
  const prefix = '/opt/berth/node';
  if (node.isPlatforms) return { kind: 'seed', id: 'runtime', inImage: true, part: 'node', prefix };
  const env = { NODE_PACKAGE: `node-linux-${arch}`, NODE_VERSION: node.version };
  const step = platformStep('runtime', `Installing Node.js ${node.version}`, fetchNodeScript, env, prefix);
  return { ...step, env: { ...step.env, STRIP_BINARY: stripBinary } };
}

function npmLayer({ node, manager }: Facts): PlannedLayer {
  const prefix = '/opt/berth/npm';
  const range = manager.kind === 'npm' ? manager.provider?.version : undefined;
  const wanted = range ?? npmFor(node.version);
  if (wanted === undefined) return { kind: 'seed', id: 'npm', inImage: true, part: 'npm', prefix };
  const hash = manager.kind === 'npm' ? (manager.provider?.hash ?? '') : '';
  const env = { MANAGER_PACKAGE: 'npm', MANAGER_VERSION: wanted, MANAGER_HASH: hash, MANAGER_PREFIX: prefix };
  const title = `Installing npm ${wanted}`;
  return { ...platformStep('npm', title, fetchManagerScript, env, prefix), explain: explainManager('npm') };
}

function managerLayer({ manager }: Facts): PlannedLayer {
  const { name = '', version = '', hash = '' } = manager.provider ?? {};
  const prefix = `/opt/berth/${manager.label}`;
  const env = { MANAGER_PACKAGE: name, MANAGER_VERSION: version, MANAGER_HASH: hash, MANAGER_PREFIX: prefix };
  const script = manager.kind === 'bun' ? fetchBunScript : fetchManagerScript;
  const step = platformStep('manager', `Installing ${manager.label} ${version}`, script, env, prefix);
  return { ...step, explain: explainManager(manager.label) };
}

/** Node's headers for native packages; below an install, never in the image. */
function headersLayer({ node, arch }: Facts): PlannedLayer {
  const prefix = '/opt/berth/node-headers';
  if (node.isPlatforms) return { kind: 'seed', id: 'headers', inImage: false, part: 'headers', prefix };
  const env = { NODE_PACKAGE: `node-linux-${arch}`, NODE_VERSION: node.version };
  const title = `Installing headers of Node.js ${node.version}`;
  return { ...platformStep('headers', title, fetchHeadersScript, env, prefix), inImage: false };
}

/** Tells node-gyp where the headers are; without it, it would ask nodejs.org. */
export function gypSettings({ node, manager }: Facts): Record<string, string> {
  const dir = '/opt/berth/node-headers';
  // The newer spelling; npm 11 warns about the older one, which older tools need.
  const older = manager.kind !== 'npm' || npmFor(node.version) !== undefined;
  return { npm_package_config_node_gyp_nodedir: dir, ...(older ? { npm_config_nodedir: dir } : {}) };
}

/** Runs with the platform's own Node and npm: what it fetches need not be able to fetch anything. */
function platformStep(
  id: string,
  title: string,
  script: string,
  env: Record<string, string>,
  keep: string,
): RunLayer {
  return {
    kind: 'run',
    id,
    inImage: true,
    title,
    step: id === 'runtime' ? 'runtime' : 'package manager',
    on: ['toolbox'],
    key: [JSON.stringify(env)],
    scope: 'platform',
    files: [],
    stack: 'run',
    user: 'root',
    script,
    env: { ...quietNpm, ...env },
    path: toolboxPath,
    vars: 'none',
    caches: { npm: '/cache/npm' },
    keep,
    leaveOut: [],
    quiet: true,
  };
}
