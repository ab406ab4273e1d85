// The config of an app's image, as data: OCI's shape without rootfs. Used by run-build.ts and make-layers.ts.
import type { ImageConfig } from '@berth/clients/engine-types.ts';
import type { BuildPlan } from './plan/plan.ts';

/** The port a web process is told in PORT. */
export const webPort = 5000;
/** Of an image that others made: the lowest TCP port of EXPOSE, or ours. */
export function portOf({ ExposedPorts }: { ExposedPorts?: Record<string, object> | null }): number {
  const ports = Object.keys(ExposedPorts ?? {})
    .map((port) => /^(\d+)\/tcp$/.exec(port)?.[1])
    .flatMap((port) => (port === undefined ? [] : [Number(port)]));
  return ports.length > 0 ? Math.min(...ports) : webPort;
}

/** Owner of the app's files and of its processes, as the stack's recipe makes it. */
export const appUser = { name: 'app', uid: 1000, gid: 1000 } as const;

const stackPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function pathVariable(folders: readonly string[]): string {
  return [...folders, stackPath].join(':');
}

/** OCI's name of an architecture. */
export function ociArchitecture(arch: 'x64' | 'arm64'): string {
  return arch === 'x64' ? 'amd64' : 'arm64';
}

export interface AppImage {
  plan: BuildPlan;
  processTypes: Readonly<Record<string, string>>;
  arch: 'x64' | 'arm64';
  commit: string;
  /** Seconds since 1970. */
  commitTime: number;
  appName: string;
}

export function appImageConfig(image: AppImage): ImageConfig {
  const { plan, processTypes, arch, commit, commitTime, appName } = image;
  const web = processTypes['web'];
  const env = {
    PATH: pathVariable(plan.path),
    HOME: '/app',
    LANG: 'C.UTF-8',
    PORT: String(webPort),
    ...plan.env,
  };
  return {
    architecture: ociArchitecture(arch),
    os: 'linux',
    // The commit's time, not the clock's: the same commit gives the same image id.
    created: new Date(commitTime * 1000).toISOString(),
    config: {
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(web === undefined ? {} : { Cmd: ['/bin/sh', '-c', web], ExposedPorts: { [`${webPort}/tcp`]: {} } }),
      User: appUser.name,
      WorkingDir: '/app',
      StopSignal: 'SIGTERM',
      Labels: {
        'org.opencontainers.image.revision': commit,
        'berth.app': appName,
        'berth.language': plan.language,
      },
    },
  };
}

/** The image a build container starts from: layers and nothing to run. */
export function baseImageConfig(arch: 'x64' | 'arm64'): ImageConfig {
  return { architecture: ociArchitecture(arch), os: 'linux', config: { User: '0:0', WorkingDir: '/' } };
}
