// A container's config laid over its image's defaults, by Docker's rules. Pure.
import { AppError } from '@berth/kit/errors.ts';
import type { ImageDefaults } from '../images/image-config.ts';
import type { ContainerConfig } from './container-config.ts';
import { mergeHealthcheck } from './parse-health.ts';

export function mergeImageConfig(config: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const merged: ContainerConfig = {
    ...config,
    User: config.User || image.User,
    Env: mergeEnv(image.Env, config.Env),
    WorkingDir: config.WorkingDir || image.WorkingDir,
    Labels: { ...image.Labels, ...config.Labels },
    StopSignal: config.StopSignal || image.StopSignal,
    ExposedPorts: { ...image.ExposedPorts, ...config.ExposedPorts },
    Volumes: { ...image.Volumes, ...config.Volumes },
  };
  if (config.Entrypoint === null) {
    merged.Entrypoint = image.Entrypoint;
    merged.Cmd = config.Cmd !== null && config.Cmd.length > 0 ? config.Cmd : image.Cmd;
  } else if (config.Entrypoint.join('') === '') {
    // `--entrypoint ""` takes the image's entrypoint away; its command was written for that entrypoint and goes too.
    merged.Entrypoint = null;
  }
  if (commandOf(merged).length === 0)
    throw new AppError('bad_request', 'no command specified', {
      hint: 'name a command, or set Cmd or Entrypoint in the image',
    });
  const health = mergeHealthcheck(config.Healthcheck, image.Healthcheck ?? undefined);
  if (health) merged.Healthcheck = health;
  const shell = config.Shell ?? image.Shell;
  if (shell) merged.Shell = shell;
  return merged;
}

export function commandOf(config: ContainerConfig): string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

/** Later entries replace earlier ones of the same name in place; `NAME` without `=` takes the name away. */
export function mergeEnv(base: string[], over: string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of [...base, ...over]) {
    const cut = entry.indexOf('=');
    if (cut > 0) merged.set(entry.slice(0, cut), entry);
    else if (cut < 0) merged.delete(entry);
  }
  return [...merged.values()];
}
