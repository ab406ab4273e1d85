// Brings what the containers of a pod are made of, by each one's imagePullPolicy, before anything of the pod is made. Called by create-pod.ts.

import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '@berth/kit/errors.ts';
import { Progress } from '../images/progress.ts';
import { familiarName, familiarReference, parseReference } from '../images/references.ts';
import type { PodParts } from './pod-parts.ts';
import type { ContainerPlan } from './pod-spec.ts';

/** Who asked: its login is sent to the registries it is for, and its leaving ends the pulls. */
export interface Asker {
  request: IncomingMessage;
  response: ServerResponse;
  signal: AbortSignal;
}

export async function pullImages(plans: ContainerPlan[], asker: Asker, parts: PodParts): Promise<void> {
  const pulled = new Set<string>();
  for (const { image, pull } of plans) {
    parseReference(image); // refuses what is no name
    const isHere = parts.images.find(image) !== undefined;
    if (pull === 'Never' && !isHere)
      throw new AppError('not_found', `image "${image}" is not here, and imagePullPolicy is Never`, {
        hint: 'build or load it first',
      });
    if (pull === 'Never' || (pull === 'IfNotPresent' && isHere) || pulled.has(image)) continue;
    pulled.add(image);
    await pullOne(image, asker, parts);
  }
}

async function pullOne(image: string, { request, response, signal }: Asker, parts: PodParts): Promise<void> {
  const reference = parseReference(image);
  const [{ readRegistryAuth }, { hostPlatform }, { pullImage }] = await Promise.all([
    import('../registry-client/credentials.ts'),
    import('../registry-client/platform.ts'),
    import('../images/pull-image.ts'),
  ]);
  setMaxListeners(0, signal); // one for each request of each layer
  const ask = {
    reference,
    platform: undefined,
    hostPlatform: hostPlatform(),
    credentials: readRegistryAuth(request.headers['x-registry-auth'], reference.domain),
    progress: new Progress(response, true),
    signal,
  };
  try {
    await pullImage(ask, parts);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `image "${image}" cannot be pulled: ${error.message}`, { cause: error });
  }
  parts.events.publish('image', 'pull', familiarReference(reference), { name: familiarName(reference) });
}
