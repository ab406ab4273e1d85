// Writes down what an image is made of (SBOM) and how it came to be (provenance), and has the engine keep both with the image.
// Called by run-build.ts when the release is made: nobody waits for it. Must never fail a build.
import { text } from 'node:stream/consumers';
import type { BuildResult } from '@berth/contract/build.ts';
import { retry } from '@berth/kit/backoff.ts';
import type { CurrentBuild, Workshop } from '../current-build.ts';
import builderPackage from '../package.json' with { type: 'json' };
import type { SourceTree } from '../source/source-tree.ts';
import { baseImages } from './base-images.ts';
import { addEarlierSbom } from './earlier-sbom.ts';
import { inventoryOf, type LockFiles, readLockFiles } from './lock-files.ts';
import { makeProvenance, provenanceType } from './make-provenance.ts';
import { makeSbom, sbomType } from './make-sbom.ts';
import { addRuntimes } from './runtimes.ts';
import { addSystemPackages, readSystemPackages } from './system-packages.ts';

/** An engine that restarts is back within seconds; what is not written by then is written by the next build that takes the image. */
const writeLimitMs = 60_000;
const maxDockerfileBytes = 1024 * 1024;
/** Layers in which no package manager of the system has worked. */
const ofTheApp = /(^|-)(source|output)$/;

/** What of the tree is needed afterwards: when the build has ended, its objects may lie elsewhere or nowhere. */
export interface AttestedSource {
  lockFiles: LockFiles;
  dockerfile: string | undefined;
  /** Seconds since 1970. */
  commitTime: number;
}

export async function readAttestedSource(
  tree: SourceTree,
  commitTime: number,
  choice: { builder: string; dockerfile?: string },
): Promise<AttestedSource> {
  const isDockerfile = choice.builder === 'dockerfile';
  const path = isDockerfile ? (choice.dockerfile ?? 'Dockerfile') : undefined;
  const [lockFiles, dockerfile] = await Promise.all([
    readLockFiles(tree, { everywhere: isDockerfile }),
    path === undefined ? undefined : tree.readText(path, maxDockerfileBytes).catch(() => undefined),
  ]);
  return { lockFiles, dockerfile, commitTime };
}

export async function attestBuild(
  shop: Workshop,
  current: Pick<CurrentBuild, 'build' | 'attested'>,
  result: BuildResult,
  startedAt: Date,
): Promise<void> {
  const { build } = current;
  const finishedAt = new Date();
  const { documents, log, stopping } = shop;
  const limits = { firstMs: 200, maxMs: 5_000, limitMs: writeLimitMs, signal: stopping };
  try {
    await retry(async () => {
      const known = (await documents.list(result.image)).map(({ artifactType }) => artifactType);
      const isNew = !result.reused || !known.includes(sbomType) || !known.includes(provenanceType);
      // An earlier build's image has the earlier build's documents: they are true of it.
      if (!isNew) return;
      await documents.add(result.image, sbomType, await sbomOf(shop, current, result));
      const provenance = makeProvenance({
        build,
        result,
        version: builderPackage.version,
        startedAt,
        finishedAt,
        baseImages: await baseImages(shop.engine, current.attested?.dockerfile),
        rebasedFrom: build.rebase?.result.image,
      });
      await documents.add(result.image, provenanceType, provenance);
    }, limits);
  } catch (err) {
    if (!stopping.aborted) log.error({ build: build.id, err }, 'SBOM and provenance could not be written');
  }
}

async function sbomOf(
  { documents, platformNode }: Workshop,
  { build, attested }: Pick<CurrentBuild, 'build' | 'attested'>,
  result: BuildResult,
): Promise<string> {
  const inventory = inventoryOf(attested?.lockFiles ?? new Map());
  let commitTime = attested?.commitTime ?? 0;
  if (attested) addRuntimes(result, platformNode, inventory);
  else {
    const earlier = build.rebase && (await documents.read(build.rebase.result.image, sbomType));
    if (earlier) commitTime = addEarlierSbom(await text(earlier), inventory);
    else inventory.notes.push('the packages of the app: the image had no SBOM before its rebase');
  }
  const bases = result.layers.filter(({ name }) => !ofTheApp.test(name)).map(({ diffId }) => diffId);
  addSystemPackages(await readSystemPackages(documents, result.image, bases), inventory);
  return makeSbom(inventory, {
    appName: build.appName,
    commit: build.commit,
    commitTime,
    image: result.image,
    version: builderPackage.version,
  });
}
