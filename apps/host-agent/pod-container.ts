// From a pod to the engine's words: the container's create body, its name and labels. Pure. Config vars go into Env and nowhere else.
import type { CreateContainer } from '@berth/clients/engine-types.ts';
import type { Pod } from '@berth/contract/instance.ts';

export const appNetwork = 'berth-apps';

export const labels = {
  instance: 'berth.instance',
  app: 'berth.app',
  appId: 'berth.appId',
  process: 'berth.process',
  release: 'berth.release',
  /** Crashes of the instance before this container: survives a restart of the agent. */
  crashes: 'berth.crashes',
  userns: 'berth.userns',
} as const;

const bytesPerMb = 1024 * 1024;

export function podContainer(pod: Pod, crashes: number): CreateContainer {
  const attach = pod.oneOff?.attach ?? false;
  const tty = attach && (pod.oneOff?.tty ?? false);
  const memoryBytes = pod.memoryMb * bytesPerMb;
  return {
    Image: pod.image,
    Cmd: pod.command,
    Env: Object.entries(pod.env).map(([key, value]) => `${key}=${value}`),
    User: pod.user,
    Hostname: pod.name.replaceAll('.', '-'),
    Labels: {
      [labels.instance]: pod.id,
      [labels.app]: pod.app,
      [labels.appId]: pod.appId,
      [labels.process]: pod.name,
      [labels.release]: String(pod.release),
      [labels.crashes]: String(crashes),
      [labels.userns]: `app-${pod.appId}`,
    },
    Tty: tty,
    OpenStdin: attach,
    StdinOnce: attach,
    AttachStdin: attach,
    AttachStdout: attach,
    AttachStderr: attach,
    StopTimeout: pod.graceSeconds,
    HostConfig: {
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      CpuShares: pod.cpuShares,
      PidsLimit: pod.pids,
      Init: true,
      NetworkMode: appNetwork,
      // what a user types and sees in a run of theirs is no part of the app's log
      LogConfig: attach
        ? { Type: 'none', Config: {} }
        : { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
    },
  };
}

/** `hello-web.1-0f3a9c21`; a restart's name counts its crashes, since the container before it is kept for its log. */
export function podContainerName(pod: Pod, crashes: number): string {
  const name = `${pod.app}-${pod.name}-${pod.id.slice(-8)}`;
  return crashes === 0 ? name : `${name}-${crashes}`;
}
