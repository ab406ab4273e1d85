// The image that a reference means: out of its registry, or one that the engine has and that its user may have. Called by take-image.ts.
// Must never tell a user that the engine has an image of somebody else.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import type { StartedBuild } from '@berth/contract/build.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { CurrentBuild } from '../current-build.ts';

/** An image is held by this name, so that nothing of a private one can be named by others, and dropped when no release needs it. */
export const heldRepository = 'berth/deployed';

type Engine = Pick<EngineClient, 'pullImage' | 'inspectImage' | 'tagImage' | 'removeImage'>;
type Request = NonNullable<StartedBuild['image']>;

export interface FoundImage {
  image: ImageDetail;
  /** Of the registry's manifest; undefined for an image that only the engine has. */
  digest: string | undefined;
}

const idPattern = /^(?:sha256:[0-9a-f]{4,64}|[0-9a-f]{12,64})$/;

export async function findImage(
  engine: Engine,
  current: CurrentBuild,
  request: Request,
): Promise<FoundImage> {
  const { reference } = request;
  // Names of the platform are no registry's: a stranger could own them there.
  if (idPattern.test(reference) || reference.startsWith('berth/')) {
    const local = await localImage(engine, request);
    if (local) return { image: local, digest: undefined };
    throw new AppError('not_found', `there is no image "${reference}" on this platform`, {
      hint: 'only images of your own apps and of the stacks can be deployed by id; others by their name in a registry',
    });
  }
  try {
    return await pulledImage(engine, current, reference);
  } catch (thrown) {
    const error = asAppError(thrown);
    const local = current.abort.signal.aborted ? undefined : await localImage(engine, request);
    if (!local) throw pullError(reference, error);
    current.log.warning(`The registry does not give "${reference}": the engine's own is taken`);
    return { image: local, digest: undefined };
  }
}

/** Undefined also for an image that is there and not the user's. */
async function localImage(engine: Engine, request: Request): Promise<ImageDetail | undefined> {
  const image = await engine.inspectImage(request.reference);
  if (!image) return undefined;
  const isStack = image.RepoTags?.some((tag) => tag.startsWith('berth/stack:')) === true;
  return isStack || request.mayTakeAny || request.own.includes(image.Id) ? image : undefined;
}

async function pulledImage(
  engine: Engine,
  { build, log, abort }: CurrentBuild,
  reference: string,
): Promise<FoundImage> {
  const tagged = /[@:][^/]*$/.test(reference) ? reference : `${reference}:latest`;
  const before = await engine.inspectImage(tagged);
  log.step(`Pulling ${tagged}`);
  const { BERTH_REGISTRY_USERNAME: username, BERTH_REGISTRY_PASSWORD: password } = build.buildVars;
  const login = username !== undefined && password !== undefined ? { username, password } : undefined;
  const digest = await engine.pullImage(tagged, abort.signal, login);
  const image = await engine.inspectImage(tagged);
  if (!image) throw new AppError('unavailable', `"${tagged}" was taken away while it was pulled`);
  await engine.tagImage(image.Id, heldRepository, image.Id.slice(7, 19));
  // The name stays only where it was before: by it others could build on a private image.
  if (!before) await engine.removeImage(tagged);
  return { image, digest };
}

function pullError(reference: string, error: AppError): AppError {
  if (error.code === 'superseded' || error.code === 'no_space') return error;
  const { message } = error;
  if (/pull access denied|unauthorized/i.test(message))
    return new AppError(
      'build_failed',
      `the registry gives no access to "${reference}", or there is no such image`,
      {
        hint: 'a private one: berth config:set BERTH_REGISTRY_USERNAME=… BERTH_REGISTRY_PASSWORD=…',
      },
    );
  if (/no matching manifest/.test(message))
    return new AppError('build_failed', `"${reference}" is not made for this machine (${process.arch})`, {
      hint: 'build it for this architecture too: docker buildx build --platform …',
    });
  if (/not found/i.test(message))
    return new AppError('build_failed', `there is no image "${reference}"`, {
      hint: 'check its name and its tag',
    });
  return new AppError('build_failed', `"${reference}" cannot be pulled: ${message.split('\n', 1)[0]}`, {
    hint: 'is the registry up, and can this machine reach it?',
  });
}
