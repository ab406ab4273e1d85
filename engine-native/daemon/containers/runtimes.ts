// Which OCI runtime makes a container: the engine's own, or another one that is installed on the host (`--runtime runc`). Called when a
// container is created and started, and by info. Another runtime is driven or refused, never replaced in silence: whoever asks for a
// virtual machine must not get a namespace.
import { accessSync, constants } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerSpec } from '../runtime/container-spec.ts';
import type { ContainerConfig, HostConfig } from './container-config.ts';
import { ociConfig } from './oci-config.ts';

export const ownRuntime = 'berth';
/** Looked for on the daemon's PATH; any other has to be named in a setting. */
const wellKnown = ['runc', 'crun', 'youki', 'runsc', 'kata-runtime'];
/** What Docker calls runc by containerd's name, and Kata by its project's. */
const aliases: Record<string, string> = {
  '': ownRuntime,
  'io.containerd.runc.v2': 'runc',
  'io.containerd.runsc.v1': 'runsc',
  kata: 'kata-runtime',
};

export interface RuntimeSettings {
  /** Name to absolute path. */
  named: Record<string, string>;
  /** As PATH. */
  searchPath: string;
}

export function plainRuntimeName(name: string): string {
  return aliases[name] ?? name;
}

/** Reads `name=/path,other=/path`. */
export function parseRuntimes(raw: string): Record<string, string> {
  const entries = raw.split(',').filter((entry) => entry !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = '', path = ''] = entry.split('=');
      if (!/^[a-z][\w.-]{0,63}$/i.test(name) || name === ownRuntime || !isAbsolute(path))
        throw new Error('must be name=/absolute/path, several with commas between them');
      return [name, path];
    }),
  );
}

export class Runtimes {
  readonly #settings: RuntimeSettings;

  constructor(settings: RuntimeSettings) {
    this.#settings = settings;
  }

  /** As `docker info` shows them: those that can be run now. */
  list(): Record<string, { path: string }> {
    const names = [...new Set([...wellKnown, ...Object.keys(this.#settings.named)])];
    const found = names.flatMap((name) => {
      const path = this.#pathOf(name);
      return path === undefined ? [] : [[name, { path }] as const];
    });
    return { [ownRuntime]: { path: 'berth-shim' }, ...Object.fromEntries(found) };
  }

  /** Refuses a request for a runtime that is not there, or that cannot do what else is asked for. */
  check({ config, hostConfig }: { config: ContainerConfig; hostConfig: HostConfig }): void {
    const name = plainRuntimeName(hostConfig.Runtime ?? '');
    if (name === ownRuntime) return;
    this.#need(name);
    const wanted = [
      hostConfig.Init && '--init',
      config.Domainname !== '' && '--domainname',
      hostConfig.Devices.some(({ PathOnHost, PathInContainer }) => PathInContainer !== PathOnHost) &&
        '--device under another name',
    ].filter((one) => one !== false);
    if (wanted.length === 0) return;
    throw new AppError('unsupported', `${wanted[0]} is not supported with runtime "${name}"`, {
      hint: 'leave it out, or leave --runtime out: the engine itself can do it',
    });
  }

  /** The spec for the runtime that a container asks for. */
  apply(spec: ContainerSpec, { Runtime, Annotations }: HostConfig): ContainerSpec {
    const name = plainRuntimeName(Runtime ?? '');
    if (name === ownRuntime) return spec;
    // RUN: what is covered there, for that runtime alone, is the engine's own
    const place = dirname(dirname(spec.runDir));
    const config = ociConfig(spec, place, Annotations ?? {});
    return { ...spec, runtime: { name, path: this.#need(name), place, config } };
  }

  #need(name: string): string {
    const path = this.#pathOf(name);
    if (path !== undefined) return path;
    throw new AppError('bad_request', `unknown or invalid runtime name: ${name}`, {
      hint: `install it, or name its path in BERTH_ENGINE_RUNTIMES; there are ${Object.keys(this.list()).join(', ')}`,
    });
  }

  #pathOf(name: string): string | undefined {
    const named = this.#settings.named[name];
    if (named !== undefined) return isProgram(named) ? named : undefined;
    if (!wellKnown.includes(name)) return undefined;
    return this.#settings.searchPath
      .split(':')
      .filter(isAbsolute)
      .map((folder) => join(folder, name))
      .find(isProgram);
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
