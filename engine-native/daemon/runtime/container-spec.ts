// The spec a shim is started with (PROTOCOL.md, "Spec"), as a type. containers/build-spec.ts builds it; nothing else may.

export interface ProcessSpec {
  args: string[];
  env: string[];
  cwd: string;
  user: string;
  /** Names or numbers, beside those the image gives the user. */
  groups?: string[];
  tty: boolean;
  rows: number;
  cols: number;
  stdin: boolean;
}

export interface MountSpec {
  type: 'bind' | 'tmpfs';
  target: string;
  readonly: boolean;
  source?: string;
  /** /proc/…/ns/mnt of the container whose source is meant. */
  mountNamespace?: string;
  idmap?: boolean;
  /** Folder below the source, reached without leaving it. */
  subpath?: string;
  /** Default: rprivate. */
  propagation?: string;
  /** Default: true. */
  recursive?: boolean;
  size?: number;
  mode?: number;
  noexec?: boolean;
  suid?: boolean;
  dev?: boolean;
  uid?: number;
  gid?: number;
}

/** One cable of a container: its end inside, and the bridge the other end is in. */
export interface InterfaceSpec {
  bridge: string;
  ifname: string;
  hostIfname: string;
  address: string;
  /** "" = no default route here. */
  gateway: string;
  address6?: string;
  gateway6?: string;
  mac: string;
  mtu: number;
  isolated: boolean;
  hairpin: boolean;
}

export type NetworkSpec =
  | { mode: 'bridge'; interfaces: InterfaceSpec[] }
  | { mode: 'none' }
  | { mode: 'host' };

/** A port of the host that the shim holds for its container. */
export interface HeldPort {
  proto: 'tcp' | 'udp' | 'sctp';
  ip: string;
  port: number;
}

/** null = new, "host", or a /proc/…/ns/… path to join. */
export type NamespaceSpec = string | null;

export interface ResourceSpec {
  memory: number;
  memorySwap: number;
  cpuQuota: number;
  cpuPeriod: number;
  cpuShares: number;
  /** 0 = as it is, -1 = no limit, as for cpuQuota. */
  pids: number;
  memoryReservation?: number;
  swappiness?: number;
  oomKillDisable?: boolean;
  cpusetCpus?: string;
  cpusetMems?: string;
  blkioWeight?: number;
}

export interface DeviceSpec {
  /** In the container. */
  path: string;
  /** On the host; left out: the same. */
  source?: string;
  type: string;
  major: number;
  minor: number;
  access: string;
}

/** Allows devices without making a node; -1 = any. */
export interface DeviceRuleSpec {
  type: 'a' | 'b' | 'c';
  major: number;
  minor: number;
  access: string;
}

export interface ContainerSpec {
  id: string;
  runDir: string;
  stateDir: string;
  root: { lower: string[]; upper: string; work: string; readonly: boolean };
  process: ProcessSpec;
  init: boolean;
  awaitAttach: boolean;
  hostname: string;
  domainname: string;
  /** With `join` another container's, of the same ids. */
  userns: { base: number; size: number; join?: string } | null;
  namespaces: { pid: NamespaceSpec; ipc: NamespaceSpec; uts: NamespaceSpec; net: NamespaceSpec };
  network: NetworkSpec;
  ports: HeldPort[];
  mounts: MountSpec[];
  shmSize: number;
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp: 'default' | 'unconfined';
  /** The OCI runtime spec's linux.seccomp, instead of our own filter. */
  seccompProfile?: object;
  privileged: boolean;
  maskedPaths: string[];
  readonlyPaths: string[];
  devices: DeviceSpec[];
  deviceRules?: DeviceRuleSpec[];
  sysctls: Record<string, string>;
  rlimits: { type: string; soft: number; hard: number }[];
  oomScoreAdj: number;
  cgroup: string;
  cgroupns?: 'private' | 'host';
  resources: ResourceSpec;
  /** Another OCI runtime that makes the container; `config` is its config.json but for what the shim adds. */
  runtime?: { name: string; path: string; place: string; config: object };
  /** Without it the shim keeps nothing of what the container prints. */
  log?: { path: string; maxSize: number; maxFiles: number };
}
