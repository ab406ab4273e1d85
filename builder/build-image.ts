// From the tree to the image: who builds it (plan/choose-drivers.ts), then that builder. Called by run-build.ts, once an attempt.
// Must never report the end of a build: that is run-build.ts's.
import type { BuildResult } from '@berth/contract/build.ts';
import { readAttestedSource } from './attest/attest-build.ts';
import { buildWithDrivers } from './build-with-drivers.ts';
import { buildWithClassicBuildpacks } from './classic/build-with-buildpacks.ts';
import { buildWithLifecycle } from './cnb/build-with-lifecycle.ts';
import type { BuildSource, CurrentBuild, Workshop } from './current-build.ts';
import { buildFromDockerfile } from './dockerfile/build-from-dockerfile.ts';
import type { AppManifest } from './manifest/app-manifest.ts';
import { appTree } from './manifest/app-tree.ts';
import { newVars } from './manifest/new-vars.ts';
import { readManifest, releaseManifest } from './manifest/read-manifest.ts';
import { refuseUnused } from './manifest/refuse-unused.ts';
import { appFolder } from './plan/app-folder.ts';
import { type Choice, chooseDrivers } from './plan/choose-drivers.ts';
import { GitObjects } from './source/git-objects.ts';
import { commitTime, readSourceTree } from './source/source-tree.ts';

type Builder = (shop: Workshop, current: CurrentBuild, source: BuildSource) => Promise<BuildResult>;

/** Each kind of build by its entry; the choice tells which. */
const builders: Readonly<Record<Choice['builder'], Builder>> = {
  drivers: buildWithDrivers,
  dockerfile: buildFromDockerfile,
  classic: buildWithClassicBuildpacks,
  cnb: buildWithLifecycle,
};

export async function buildImage(shop: Workshop, current: CurrentBuild): Promise<BuildResult> {
  const { build, log } = current;
  const objects = new GitObjects(build.repository, build.objectDirectories);
  try {
    const [pushed, [commit]] = await Promise.all([
      readSourceTree(objects, build.tree),
      objects.read([build.commit], 16 * 1024 * 1024),
    ]);
    const { buildpacks, stack } = build.settings;
    const { tree: whole, folder, namedBy } = await appFolder(pushed, { buildpacks, vars: build.buildVars });
    if (folder !== undefined) log.step(`Building the folder ${folder} (config var ${namedBy})`);
    const manifest = await readManifest(whole);
    const tree = appTree(whole, manifest.build);
    takeVars(current, manifest);
    const choice = await chooseDrivers(tree, {
      settings: build.settings,
      vars: build.buildVars,
      manifest: manifest.build,
    });
    log.step(chosen(choice));
    for (const warning of manifest.warnings) log.warning(warning);
    refuseUnused(manifest.build, choice);
    const madeAt = commitTime(commit?.data ?? Buffer.alloc(0));
    // Beside the build, which then need not wait: a few blobs.
    const attested = readAttestedSource(tree, madeAt, choice).catch(() => undefined);
    const result = await builders[choice.builder](shop, current, {
      tree,
      objects,
      commitTime: madeAt,
      choice,
      manifest,
      configuration: [
        buildpacks,
        stack,
        build.buildVars['BUILDPACK_URL'] ?? '',
        manifest.build,
        manifest.processTypes,
      ],
    });
    current.attested = await attested;
    return {
      ...result,
      port: manifest.port ?? result.port,
      warnings: [...manifest.warnings, ...result.warnings],
      manifest: releaseManifest(manifest),
    };
  } finally {
    objects.close();
  }
}

/** What the manifest sets is environment of the build too, as if it had been set before: a framework may want its secret at build time. */
function takeVars(current: CurrentBuild, manifest: AppManifest): void {
  const { build } = current;
  current.newVars ??= newVars(manifest, build.buildVars, build.unsetVars ?? []);
  const generated = Object.entries(current.newVars).filter(([name]) => manifest.vars[name]?.generate);
  if (generated.length > 0) current.log.alsoMask(Object.fromEntries(generated));
  build.buildVars = { ...manifest.env, ...current.newVars, ...build.buildVars };
}

/** "Node.js app detected (package.json at the root)" */
function chosen({ builder, detected }: Choice): string {
  const { label, why } = detected;
  if (builder === 'classic') return `Buildpacks: ${label} (${why})`;
  if (builder === 'cnb') return `Cloud Native builder ${label}`;
  return `${label} app detected (${why})`.replace('site app', 'site');
}
