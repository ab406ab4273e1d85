// Puts an app's image onto the newest stack without building it again: its own layers over the new stack's, its config as it was. JSON only.
// Debian keeps a suite compatible, so what was built on the old packages runs on the new. Must never touch an image whose layers changed
// packages of the stack themselves: they would hide the new ones.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageConfig, ImageDetail } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type StackVersion, stackVersions } from './stack-versions.ts';

export interface Rebased {
  image: string;
  from: StackVersion;
  /** The same as `from`: the image stands on the newest stack already and is given back as it is. */
  onto: StackVersion;
}

type Engine = Pick<EngineClient, 'inspectImage' | 'listImages' | 'readImageFile' | 'makeImage'>;

const packageList = '/var/lib/dpkg/status';

export async function rebaseImage(engine: Engine, image: string): Promise<Rebased> {
  const [found, versions] = await Promise.all([engine.inspectImage(image), stackVersions(engine)]);
  if (!found)
    throw new AppError('not_found', `the image "${image}" is not on this host`, { hint: 'push again' });
  const from = versions.find(({ layer }) => layer === found.RootFS.Layers[0]);
  const onto = versions.find(({ isNewest }) => isNewest);
  if (!from || !onto)
    throw new AppError('invalid', 'the image stands on no stack of this platform', {
      hint: 'push again: a new build stands on what its Dockerfile or builder says',
    });
  if (from.tag === onto.tag) return { image: found.Id, from, onto };
  await refuseChangedPackages(engine, found.Id, from);
  const layers = [onto.layer, ...found.RootFS.Layers.slice(1)];
  return { image: await engine.makeImage({ config: sameConfig(found), layers }), from, onto };
}

/** Layers of ours leave the stack's list of packages alone and say in status.d what they added; a Dockerfile's apt-get does not. */
async function refuseChangedPackages(engine: Engine, image: string, from: StackVersion): Promise<void> {
  const [ofImage, ofStack] = await Promise.all([
    engine.readImageFile(image, packageList),
    engine.readImageFile(from.tag, packageList),
  ]);
  const names = [...(ofStack ?? '').matchAll(/^Package: (\S+)$/gm)].map(([, name]) => name ?? '');
  const replaced = await Promise.all(
    names.map(async (name) => {
      const fragment = await engine.readImageFile(image, `/var/lib/dpkg/status.d/${name}`);
      return fragment === undefined ? [] : [name];
    }),
  );
  if (ofImage === ofStack && replaced.flat().length === 0) return;
  const what = replaced.flat().join('", "') || packageList;
  throw new AppError('invalid', `a layer of the image has a version of its own of "${what}"`, {
    hint: 'push again: the layer is made anew on the new stack',
  });
}

function sameConfig(image: ImageDetail): ImageConfig {
  return {
    architecture: image.Architecture,
    os: 'linux',
    ...(image.Created === undefined ? {} : { created: image.Created }),
    config: image.Config as ImageConfig['config'],
  };
}
