// What a built image says about running it, held against what the platform does: its port, its command, and what is otherwise here than its author
// may think. Called by build-from-dockerfile.ts.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { portOf } from '../image.ts';

export interface CheckedImage {
  port: number;
  diffIds: readonly string[];
  warnings: string[];
}

export async function checkImage(
  engine: Pick<EngineClient, 'inspectImage' | 'readImageFile'>,
  image: string,
  processTypes: Readonly<Record<string, string>>,
): Promise<CheckedImage> {
  const detail = await engine.inspectImage(image);
  const Config = detail?.Config ?? {};
  const commands = Object.entries(processTypes);
  const hasCommand = [...(Config.Entrypoint ?? []), ...(Config.Cmd ?? [])].length > 0;
  if (commands.some(([, command]) => command === '') && !hasCommand)
    throw new AppError('invalid', 'the Dockerfile names no command', {
      hint: 'end it with CMD, or add a Procfile with a line "web: …"',
    });
  const [lined] = commands.find(([, command]) => command !== '') ?? [];
  if (lined !== undefined && !(await hasShell(engine, image)))
    throw new AppError('invalid', `the command of "${lined}" needs /bin/sh, which the image does not have`, {
      hint: 'name the command in the Dockerfile (CMD ["/app"]) and leave it out of the Procfile, or begin with an image that has a shell',
    });
  return { port: portOf(Config), diffIds: detail?.RootFS.Layers ?? [], warnings: warningsOf(Config) };
}

function warningsOf({ Volumes, Healthcheck }: ImageRunConfig): string[] {
  const volumes = Object.keys(Volumes ?? {});
  const test = Healthcheck?.Test ?? [];
  return [
    ...(volumes.length > 0
      ? [`VOLUME ${volumes.join(' ')} keeps nothing: what is written there goes with the instance`]
      : []),
    ...(test.length > 0 && test[0] !== 'NONE'
      ? [
          'HEALTHCHECK does not decide here: an instance is healthy when its port answers; [processes.web.health] in berth.toml says more',
        ]
      : []),
  ];
}

interface ImageRunConfig {
  Volumes?: Record<string, object> | null;
  Healthcheck?: { Test?: readonly string[] | null } | null;
}

async function hasShell(engine: Pick<EngineClient, 'readImageFile'>, image: string): Promise<boolean> {
  try {
    return (await engine.readImageFile(image, '/bin/sh')) !== undefined;
  } catch (error) {
    // It is there, and larger than what is read whole.
    if (asAppError(error).code === 'internal') return true;
    throw error;
  }
}
