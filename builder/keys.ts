// Names of results: digests over everything a result depends on. Config vars enter only through a keyed digest, so a key tells nothing about them.
import { createHash, createHmac } from 'node:crypto';
import type { RunLayer } from './plan/plan.ts';

/** Raise it when the builder itself would make another image of the same tree. */
export const builderVersion = 1;

/** Variables that change what a package manager installs or a compiler makes even when no script of the app runs. */
const installVariable =
  /^((npm|yarn|pnpm|node|corepack|go|cgo|cargo|rust|pip|pipenv|poetry|uv)_|RUSTFLAGS$|GO(PROXY|PRIVATE|NOPROXY|SUMDB|NOSUMDB|INSECURE|FLAGS|AMD64|ARM64|EXPERIMENT)$)/i;

export function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Which image a tree gives: looked up before anything is built. */
export function imageKey(parts: {
  tree: string;
  stack: readonly string[];
  driver: { name: string; version: number };
  /** What was set outside of the tree: buildpacks, stack. */
  configuration: readonly unknown[];
  vars: string;
}): string {
  const { tree, stack, driver, configuration, vars } = parts;
  return digest(['image', builderVersion, tree, stack, driver.name, driver.version, configuration, vars]);
}

/** Which layer a step gives. `below` are the digests of the layers under it (the tree's id for the source). */
export function layerKey(
  layer: RunLayer,
  context: { stack: string; below: readonly string[]; appId: string; vars: string },
): string {
  const { id, key, script, keep, leaveOut, user } = layer;
  const owner = layer.scope === 'app' ? context.appId : '';
  return digest([
    'layer',
    builderVersion,
    context.stack,
    context.below,
    owner,
    context.vars,
    id,
    key,
    script,
    keep,
    leaveOut,
    user,
  ]);
}

/** `secret` is the builder's own, so that nobody can try out short values against a key. */
export function varsDigest(
  secret: Uint8Array,
  vars: Readonly<Record<string, string>>,
  scope: RunLayer['vars'],
): string {
  if (scope === 'none') return '';
  const relevant = Object.entries(vars)
    .filter(([name]) => scope === 'all' || installVariable.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (relevant.length === 0) return '';
  return createHmac('sha256', secret).update(JSON.stringify(relevant)).digest('hex');
}
