// berth.toml, app.json and Procfile of a pushed tree → one AppManifest. Called once a build, before anything is made.
// What two files say differently: berth.toml before app.json before Procfile, and a warning says so. Reads git blobs, never a file system.
import type { ReleaseManifest } from '@berth/contract/manifest.ts';
import { AppError } from '@berth/kit/errors.ts';
import { parseProcfile } from '../plan/procfile.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { subtree } from '../source/subtree.ts';
import type { AppManifest } from './app-manifest.ts';
import { appJsonName, readAppJson } from './read-app-json.ts';
import { type BerthTomlParts, berthTomlName, readBerthToml } from './read-berth-toml.ts';

/** A file that people write has a few KiB; much more is no configuration. */
const maxFileBytes = 256 * 1024;

const empty: BerthTomlParts = {
  build: {},
  processTypes: {},
  formation: {},
  healthChecks: {},
  stopTimeouts: {},
  env: {},
  vars: {},
  places: {},
};

/** `invalid` names file and line. `tree` is the whole push; with `[build] root`, app.json and Procfile are those of that folder. */
export async function readManifest(tree: SourceTree): Promise<AppManifest> {
  const tomlText = await readOwnFile(tree, berthTomlName);
  const toml = tomlText === undefined ? empty : readBerthToml(tomlText);
  const { root } = toml.build;
  if (root !== undefined && !tree.hasFolder(root))
    throw new AppError('invalid', `berth.toml names the root "${root}", which is no folder of the commit`);
  const appTree = root === undefined ? tree : subtree(tree, root);
  if (root !== undefined && appTree.has(berthTomlName))
    throw new AppError('invalid', `there is a berth.toml in "${root}" too`, {
      hint: 'write everything into the one at the root of the repository',
    });
  const [jsonText, procfileText] = await Promise.all([
    readOwnFile(appTree, appJsonName),
    readOwnFile(appTree, 'Procfile'),
  ]);
  const json = readAppJson(jsonText ?? '{}');
  const procfile = procfileText === undefined ? {} : parseProcfile(procfileText);
  return merge(toml, json, procfile, misspelt(appTree));
}

/** Undefined when it is not there. A link is refused: what it points at is not what was pushed. */
async function readOwnFile(tree: SourceTree, path: string): Promise<string | undefined> {
  if (tree.entries.get(path)?.kind === 'symlink')
    throw new AppError('invalid', `"${path}" is a symbolic link`, { hint: 'commit the file itself' });
  return tree.readText(path, maxFileBytes);
}

function misspelt(tree: SourceTree): string[] {
  const names = ['Procfile', 'berth.toml', 'app.json'];
  return names.flatMap((name) => {
    if (tree.has(name)) return [];
    const other = [...tree.entries.keys()].find((path) => path.toLowerCase() === name.toLowerCase());
    return other === undefined ? [] : [`"${other}" is not read: its name must be "${name}"`];
  });
}

function merge(
  toml: BerthTomlParts,
  json: ReturnType<typeof readAppJson>,
  procfile: Record<string, string>,
  warnings: string[],
): AppManifest {
  const { release, ...declared } = procfile;
  const disagree = Object.keys(declared).filter(
    (type) => toml.processTypes[type] !== undefined && toml.processTypes[type] !== declared[type],
  );
  if (toml.releaseCommand !== undefined && release !== undefined && release !== toml.releaseCommand)
    disagree.push('release');
  const releaseCommand = toml.releaseCommand ?? release;
  // Dokku runs it in the new image before the deployment, which is what the release phase is.
  const before = [json.predeploy, releaseCommand].filter((command) => command !== undefined);
  const both = Object.keys(json.vars).filter((name) => Object.hasOwn(toml.env, name));
  const jsonVars = Object.fromEntries(Object.entries(json.vars).filter(([name]) => !both.includes(name)));
  const listed =
    toml.build.buildpacks || !json.buildpacks
      ? {}
      : { buildpacks: json.buildpacks, buildpacksFrom: 'app.json' as const };
  const cron = toml.cron ?? json.cron ?? [];
  return {
    build: { ...toml.build, ...listed },
    processTypes: { ...declared, ...toml.processTypes },
    // Heroku's rule: a Procfile without "web" keeps the default one only when it has nothing but a release phase.
    keepsDefaults: Object.keys(declared).length === 0,
    formation: mergeFormation(json.formation, toml.formation),
    healthChecks: { ...json.healthChecks, ...toml.healthChecks },
    stopTimeouts: toml.stopTimeouts,
    ...(toml.port === undefined ? {} : { port: toml.port }),
    cron,
    ...(before.length === 0
      ? {}
      : { releaseCommand: before.length === 1 ? (before[0] ?? '') : `set -e\n${before.join('\n')}` }),
    ...(toml.releaseTimeoutSeconds === undefined
      ? {}
      : { releaseTimeoutSeconds: toml.releaseTimeoutSeconds }),
    postdeploy: json.postdeploy,
    env: toml.env,
    vars: { ...jsonVars, ...toml.vars },
    warnings: [
      ...warnings,
      ...json.warnings,
      ...disagree.map((type) => `Procfile and berth.toml differ on "${type}": berth.toml counts`),
      ...both.map((name) => `app.json and berth.toml differ on "${name}": berth.toml counts`),
    ],
    places: { ...json.places, ...toml.places },
  };
}

function mergeFormation(
  json: AppManifest['formation'],
  toml: AppManifest['formation'],
): AppManifest['formation'] {
  const merged = { ...json };
  for (const [type, entry] of Object.entries(toml)) merged[type] = { ...merged[type], ...entry };
  return merged;
}

/** The part that travels with the release; what the driver's defaults cannot change. */
export function releaseManifest(manifest: AppManifest): ReleaseManifest {
  const { formation, healthChecks, stopTimeouts, cron, releaseTimeoutSeconds, postdeploy, env } = manifest;
  return {
    formation,
    healthChecks,
    stopTimeouts,
    cron,
    ...(releaseTimeoutSeconds === undefined ? {} : { releaseTimeoutSeconds }),
    postdeploy,
    env,
  };
}
