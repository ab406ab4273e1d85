// A pod as its manifest asks for it, read and checked, in our own words. Made by parse-pod.ts, kept in the pod's record. Only data.

export type PodRestartPolicy = 'Always' | 'OnFailure' | 'Never';

export interface PodSpec {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  hostname: string;
  restartPolicy: PodRestartPolicy;
  /** Seconds between SIGTERM and SIGKILL; preStop runs within them. */
  graceSeconds: number;
  sharesProcesses: boolean;
  dns: { servers: string[]; search: string[]; options: string[] };
  hostAliases: { ip: string; names: string[] }[];
  sysctls: Record<string, string>;
  initContainers: ContainerPlan[];
  containers: ContainerPlan[];
  volumes: VolumePlan[];
}

export interface ContainerPlan {
  name: string;
  image: string;
  pull: 'Always' | 'IfNotPresent' | 'Never';
  /** undefined: the image's. */
  command?: string[];
  args?: string[];
  /** `NAME=value`, references expanded. */
  env: string[];
  workingDir: string;
  ports: PortPlan[];
  limits: ContainerLimits;
  mounts: MountPlan[];
  security: SecurityPlan;
  probes: { startup?: ProbePlan; liveness?: ProbePlan; readiness?: ProbePlan };
  preStop?: string[];
}

export interface PortPlan {
  name: string;
  containerPort: number;
  /** 0 = not published. */
  hostPort: number;
  hostIp: string;
  protocol: 'tcp' | 'udp' | 'sctp';
}

/** 0 = none. */
export interface ContainerLimits {
  nanoCpus: number;
  memoryBytes: number;
  diskBytes: number;
  cpuShares: number;
  memoryReservationBytes: number;
}

export interface MountPlan {
  volume: string;
  target: string;
  readonly: boolean;
  subPath: string;
}

export interface SecurityPlan {
  /** `uid[:gid]`; "" = the image's. */
  user: string;
  groups: string[];
  mustNotBeRoot: boolean;
  readonlyRoot: boolean;
  privileged: boolean;
  addCapabilities: string[];
  dropCapabilities: string[];
  /** undefined: the engine's default, which does not allow it. */
  mayGainPrivileges?: boolean;
}

export type ProbeAction =
  | { kind: 'exec'; command: string[] }
  | { kind: 'http'; port: number; path: string; isTls: boolean; headers: [string, string][] }
  | { kind: 'tcp'; port: number };

export interface ProbePlan {
  action: ProbeAction;
  initialDelayMs: number;
  periodMs: number;
  timeoutMs: number;
  successThreshold: number;
  failureThreshold: number;
}

export type VolumePlan =
  | { kind: 'empty'; name: string; inMemory: boolean; sizeLimitBytes: number }
  | { kind: 'host'; name: string; path: string; type: HostPathType };

export const hostPathTypes = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
] as const;
export type HostPathType = (typeof hostPathTypes)[number];

/** What a user must allow by name, because it reaches beyond the pod. */
export interface PodPermissions {
  hostPath: boolean;
  privileged: boolean;
}
