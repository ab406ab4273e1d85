// The images that a Dockerfile stands on: what the operator maps them to, and our stand-ins for images of Docker Hub where it cannot be reached.
// Called before the engine builds. Nothing is tagged under another's name: the map goes with the one build.
import { AppError } from '@berth/kit/errors.ts';
import { BuildLayers } from '../build-layers.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { type ImageName, matchingImage, parseImageName, parseTag } from './image-names.ts';
import { makeStandIn } from './make-stand-in.ts';
import { isStandInKind, type StandInKind, standInFor } from './stand-in-kinds.ts';

export interface Bases {
  /** Id or name of an image, by the name that the Dockerfile has. */
  images: Record<string, string>;
  warnings: string[];
}

/** A registry that was away is asked again then: a build shall neither wait for it each time nor do without it for long. */
const awayMs = 60_000;
const awayUntil = new Map<string, number>();

export async function chooseBases(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
  args: Readonly<Record<string, string>>,
): Promise<Bases> {
  const { choice, tree, manifest } = source;
  const path = choice.builder === 'dockerfile' ? choice.dockerfile : 'Dockerfile';
  const dockerfile = await tree.readText(path, 1024 * 1024);
  const bases: Bases = { images: {}, warnings: [] };
  if (dockerfile === undefined) return bases; // the engine says so in its own words
  const { target } = manifest.build;
  const names = await shop.engine.imagesOfDockerfile({
    dockerfile,
    buildArgs: { ...args },
    ...(target === undefined ? {} : { target }),
  });
  const layers: string[] = [];
  for (const written of names) {
    const found = await replacementFor(shop, written);
    if (found === undefined) continue;
    if ('image' in found) {
      bases.images[written] = found.image;
      current.log.detail(`FROM ${written}: ${found.image} (the operator's sources table)`);
      continue;
    }
    const made = await makeStandIn(shop, current, source, { ...found, written });
    bases.images[written] = made.image;
    bases.warnings.push(`${found.why}: ${made.what} stands in for ${written}`, ...made.warnings);
    layers.push(...made.layers);
  }
  if (layers.length > 0)
    await new BuildLayers(shop.config.dataDir).keep(
      shop.engine,
      { appId: current.build.appId, arch: shop.platformNode.arch },
      [...new Set(layers)],
    );
  return bases;
}

type Replacement = { image: string } | { kind: StandInKind; tag: string; why: string };

/** Undefined: the image itself. */
async function replacementFor(shop: Workshop, written: string): Promise<Replacement | undefined> {
  const { from, standIns } = shop.sources;
  const name = parseImageName(written);
  const mapped = matchingImage(name, from);
  const mappedKind = /^berth:(.*)$/.exec(mapped ?? '')?.[1] ?? '';
  if (isStandInKind(mappedKind)) {
    refuseAlpine(written, name, "the operator's sources table maps it to Berth's own Debian");
    return { kind: mappedKind, tag: name.tag, why: "the operator's sources table" };
  }
  if (mapped !== undefined) return { image: mapped };
  if (name.official === undefined || standIns === 'never') return undefined;
  const kind = standInFor(name.official);
  if (standIns === 'always' && kind !== undefined && !parseTag(name.tag).isAlpine)
    return { kind, tag: name.tag, why: "the operator's sources table" };
  if (kind === undefined && !isAlpine(name)) return undefined;
  if (await shop.engine.inspectImage(written)) return undefined;
  if (await canReachHub(shop, written)) return undefined;
  refuseAlpine(written, name, 'Docker Hub cannot be reached');
  return kind && { kind, tag: name.tag, why: 'Docker Hub cannot be reached' };
}

function isAlpine({ official, tag }: ImageName): boolean {
  return official === 'alpine' || parseTag(tag).isAlpine;
}

function refuseAlpine(written: string, name: ImageName, why: string): void {
  if (!isAlpine(name)) return;
  const instead =
    name.official === 'alpine' ? 'debian:13-slim' : `${name.official}:${withoutAlpine(name.tag)}`;
  throw new AppError('invalid', `there is no Alpine for "FROM ${written}": ${why}`, {
    hint: `write "FROM ${instead}" and apt-get instead of apk, or ask the operator for a mirror of Docker Hub`,
  });
}

function withoutAlpine(tag: string): string {
  const rest = tag.split('-').filter((word) => !word.startsWith('alpine'));
  return [...rest, 'slim'].join('-');
}

async function canReachHub(shop: Workshop, image: string): Promise<boolean> {
  const { registry = 'docker.io' } = { registry: parseImageName(image).repository.split('/')[0] };
  if ((awayUntil.get(registry) ?? 0) > Date.now()) return false;
  const isThere = await shop.engine.canReachRegistry(image);
  if (!isThere) awayUntil.set(registry, Date.now() + awayMs);
  return isThere;
}
