// The Node.js driver: package.json → layers. Reads the facts, chooses what is started, and puts the layers together. See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { serveCommand, serverFiles, siteEnv } from '../static/driver.ts';
import { buildLayers } from './build-layers.ts';
import { choosePart } from './choose-part.ts';
import { type Facts, type Part, readFacts } from './facts.ts';
import { needsSource } from './lifecycle.ts';
import { neededTools } from './needed-tools.ts';
import { binFolders, runtimeLayers } from './runtime-layers.ts';
import { type WebProcess, webProcess } from './web-process.ts';

export const nodeDriver: Driver = {
  name: 'node',
  version: 2,
  detect: async (tree) => (tree.has('package.json') ? 'Node.js' : undefined),
  plan,
};

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree, context);
  const declared = tree.has('Procfile');
  const part = await choosePart(facts, declared || context.isPart === true);
  const web = webOf(facts, part, { declared, isPart: context.isPart === true });
  const command = web && commandOf(web, part);
  const tools = neededTools(facts, command);
  const checkedIn = tree.hasFolder('node_modules') && facts.hasPackages;
  const leaveOut = checkedIn ? ['node_modules'] : [];
  const source: PlannedLayer = { kind: 'source', id: 'source', inImage: true, leaveOut };
  // A site needs nothing of what it was built with.
  const servesSite = web?.site !== undefined && !declared;
  const server: PlannedLayer[] = servesSite
    ? [{ kind: 'files', id: 'server', inImage: true, files: serverFiles() }]
    : [];
  const needs = { site: servesSite, whole: needsSource(facts) };
  const built = buildLayers(facts, part, source, needs);
  return {
    language: facts.manager.kind === 'bun' && !tools.node ? 'Bun' : 'Node.js',
    details: [...describeChoices(facts, tools), ...(web?.detail ? [web.detail] : [])],
    warnings: warningsOf(facts, web, checkedIn),
    layers: used([...runtimeLayers(facts, tools), ...server, ...built]),
    defaultProcessTypes: command === undefined ? {} : { web: command },
    env: { NODE_ENV: 'production', ...part.framework?.env, ...siteEnvOf(web, part) },
    path: binFolders(facts, part),
    varsMatter: facts.hasPackages || built.some(({ kind }) => kind === 'run'),
  };
}

/** Without what is neither in the image nor below a step: an app without packages needs no npm. */
function used(layers: PlannedLayer[]): PlannedLayer[] {
  const named = new Set(
    layers.flatMap((layer) =>
      layer.kind === 'run' ? [...layer.on, ...(layer.withCompilers?.on ?? [])] : [],
    ),
  );
  const kept = layers.filter(({ id, inImage }) => inImage || named.has(id));
  return kept.length === layers.length ? kept : used(kept);
}

/** Undefined when the tree or another language says how the app starts. */
function webOf(
  facts: Facts,
  part: Part,
  { declared, isPart }: { declared: boolean; isPart: boolean },
): WebProcess | undefined {
  if (declared) return undefined;
  const web = webProcess(facts, part);
  if (isPart) return web?.command === undefined ? undefined : web;
  if (web) return web;
  throw new AppError('invalid', 'nothing says how to start the app', {
    hint: 'add a "start" script to package.json or a Procfile with "web: node server.js"',
  });
}

function commandOf({ command }: WebProcess, { folder }: Part): string {
  if (command === undefined) return serveCommand;
  return folder === '' ? command : `cd ${folder} && ${command}`;
}

function siteEnvOf(web: WebProcess | undefined, { folder }: Part): Record<string, string> {
  if (web?.site === undefined) return {};
  const { folder: served, fallback } = web.site;
  const below = folder === '' || served === undefined ? served : `${folder}/${served}`;
  return siteEnv(below, fallback);
}

function warningsOf(facts: Facts, web: WebProcess | undefined, checkedIn: boolean): string[] {
  return [
    ...(facts.hasPackages ? facts.manager.warnings : []),
    ...(checkedIn ? ['node_modules is in the commit and left out: add it to .gitignore'] : []),
    ...(web?.site && web.site.folder === undefined
      ? ['no start script: what the build leaves in dist, build, out or public is served as a static site']
      : []),
  ];
}

/** What the app runs on, and who asked for it. */
function describeChoices({ node, manager }: Facts, tools: { node: boolean }): string[] {
  const from = node.askedBy ?? 'the platform\'s; ask for another in "engines.node" of package.json';
  const lines = tools.node ? [`Node.js ${node.version} (${from})`] : [];
  const { provider } = manager;
  if (provider)
    lines.push(`${manager.label} ${provider.version}${provider.askedBy ? ` (${provider.askedBy})` : ''}`);
  return lines;
}
