// Who builds this tree, and why: the app's settings first, then what the tree says, then what is found in it. Called once a build.
// Only reads; the builders themselves are in build-image.ts.
import type { BuildSettings, Detected } from '@berth/contract/build.ts';
import { cnbImage } from '@berth/contract/buildpack-names.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { type BuildpackList, parseBuildpacksFile, readBuildpackList } from './buildpack-names.ts';
import { askDriver, detectDriver, drivers, type FoundDriver, marksOf } from './drivers.ts';

/** What berth.toml and app.json say about the build, as far as the choice depends on it. */
export interface ManifestChoice {
  buildpacks?: readonly string[] | undefined;
  /** Of a list that stands in app.json: `.buildpacks` comes before it. */
  buildpacksFrom?: string | undefined;
  builder?: string | undefined;
  dockerfile?: string | undefined;
}

export type Choice = { detected: Detected } & (
  | { builder: 'drivers'; drivers: FoundDriver[] }
  | { builder: 'dockerfile'; dockerfile: string }
  | { builder: 'classic'; buildpacks: string[] }
  | { builder: 'cnb'; image: string }
);

export interface ChoiceFacts {
  settings: BuildSettings;
  manifest?: ManifestChoice;
  vars: Readonly<Record<string, string>>;
}

export async function chooseDrivers(tree: SourceTree, facts: ChoiceFacts): Promise<Choice> {
  const image = facts.settings.stack === null ? undefined : cnbImage(facts.settings.stack);
  if (image !== undefined)
    return { builder: 'cnb', image, detected: { driver: 'cnb', label: image, why: 'the stack of the app' } };
  const listed = await listedBuildpacks(tree, facts);
  if (listed) return chooseListed(tree, readBuildpackList(listed.entries, listed.from), listed.from);
  return (await chooseByManifest(tree, facts.manifest)) ?? chooseByTree(tree);
}

/** The first place that lists any wins. */
async function listedBuildpacks(
  tree: SourceTree,
  { settings, manifest = {}, vars }: ChoiceFacts,
): Promise<{ entries: readonly string[]; from: string } | undefined> {
  const { buildpacks = [], buildpacksFrom = 'berth.toml' } = manifest;
  const file = await tree.readText('.buildpacks', 64 * 1024);
  const places = [
    { entries: settings.buildpacks, from: 'the setting of the app' },
    { entries: words(vars['BUILDPACK_URL']), from: 'the config var BUILDPACK_URL' },
    { entries: buildpacksFrom === 'berth.toml' ? buildpacks : [], from: 'berth.toml' },
    { entries: file === undefined ? [] : parseBuildpacksFile(file), from: '.buildpacks' },
    { entries: buildpacks, from: buildpacksFrom },
  ];
  return places.find(({ entries }) => entries.length > 0);
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

async function chooseListed(tree: SourceTree, list: BuildpackList, from: string): Promise<Choice> {
  const why = `${from === 'the setting of the app' ? 'set on the app' : from}`;
  if (list.kind === 'classic')
    return {
      builder: 'classic',
      buildpacks: list.buildpacks,
      detected: { driver: 'classic', label: list.buildpacks.join(', '), why },
    };
  const found: FoundDriver[] = [];
  for (const name of list.names) found.push(await requireDriver(tree, name, from));
  return byDrivers(found, why);
}

/** As on Heroku: a buildpack that was named and does not know the app ends the build. */
async function requireDriver(tree: SourceTree, name: string, from: string): Promise<FoundDriver> {
  const driver = drivers.find((one) => one.name === name);
  if (!driver)
    throw new AppError('invalid', `the buildpack "${name}" cannot be built with yet`, {
      hint: `there are: ${drivers.map((one) => one.name).join(', ')}`,
    });
  const found = await askDriver(driver, tree);
  if (found) return found;
  throw new AppError('invalid', `the buildpack "${name}" does not find its app in the commit`, {
    hint: `it looks for ${marksOf(driver)}; it comes from ${from}`,
  });
}

function byDrivers(found: FoundDriver[], why: string): Choice {
  const label = found.map((one) => one.label).join(' + ');
  return {
    builder: 'drivers',
    drivers: found,
    detected: { driver: found.map(({ driver }) => driver.name).join('+'), label, why },
  };
}

async function chooseByManifest(
  tree: SourceTree,
  manifest: ManifestChoice = {},
): Promise<Choice | undefined> {
  const { builder, dockerfile } = manifest;
  if (dockerfile !== undefined) {
    if (!tree.has(dockerfile))
      throw new AppError('invalid', `"${dockerfile}" is not in the commit`, {
        hint: 'it is named by "dockerfile" in berth.toml',
      });
    return byDockerfile(dockerfile, `"dockerfile" in berth.toml`);
  }
  if (builder === undefined) return undefined;
  const why = `"builder" in berth.toml`;
  if (builder === 'buildpacks') return byDetection(tree, await detectDriver(tree));
  if (builder !== 'dockerfile')
    return chooseListed(tree, readBuildpackList([builder], 'berth.toml'), 'berth.toml');
  if (tree.has('Dockerfile')) return byDockerfile('Dockerfile', why);
  throw new AppError('invalid', 'there is no Dockerfile at the root', {
    hint: 'berth.toml says builder = "dockerfile"; name another file with dockerfile = "PATH"',
  });
}

/** Who commits a Dockerfile means it. */
async function chooseByTree(tree: SourceTree): Promise<Choice> {
  if (tree.has('Dockerfile')) return byDockerfile('Dockerfile', 'Dockerfile at the root');
  return byDetection(tree, await detectDriver(tree));
}

/** The app's language comes last: it says how the app starts. */
async function byDetection(tree: SourceTree, found: FoundDriver): Promise<Choice> {
  const names = (await found.driver.goesWith?.(tree)) ?? [];
  const first: FoundDriver[] = [];
  for (const name of names) first.push(await requireDriver(tree, name, found.label));
  return byDrivers([...first, found], found.why);
}

function byDockerfile(dockerfile: string, why: string): Choice {
  return { builder: 'dockerfile', dockerfile, detected: { driver: 'dockerfile', label: 'Dockerfile', why } };
}
