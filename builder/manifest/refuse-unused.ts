// What berth.toml asks of a build that the chosen builder cannot do is refused: nobody shall look for the effect of a key that has none.
// Called once a build, when the builder is chosen.
import { AppError } from '@berth/kit/errors.ts';
import type { Choice } from '../plan/choose-drivers.ts';
import type { BuildRequest } from './app-manifest.ts';

const dockerfileOnly = ['target', 'args', 'secrets'] as const;

export function refuseUnused(request: BuildRequest, choice: Pick<Choice, 'builder' | 'detected'>): void {
  const { builder, detected } = choice;
  if (builder !== 'dockerfile')
    for (const key of dockerfileOnly)
      if (request[key] !== undefined)
        throw new AppError(
          'invalid',
          `berth.toml: "${key}" of [build] is for Dockerfiles, and this is a ${detected.label} app (${detected.why})`,
          {
            hint: 'remove the key, or say builder = "dockerfile"',
          },
        );
  if (builder !== 'drivers' && request.command !== undefined)
    throw new AppError(
      'invalid',
      `berth.toml: "command" of [build] is not for an app that is built by ${detected.label}`,
      {
        hint: builder === 'dockerfile' ? 'write a RUN line into the Dockerfile' : 'remove the key',
      },
    );
}
