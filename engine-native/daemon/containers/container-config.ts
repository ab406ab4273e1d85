// What a container was created with, in Docker's own words, as it is kept in config.json and shown by inspect. Only data.
import type { EndpointSettings } from '../networks/endpoint.ts';
import type { PortBinding } from '../networks/parse-network.ts';
import type { MountPoint } from './mount-point.ts';

/** Times in nanoseconds, 0 = the default. Test: [] = inherit, NONE, CMD …, CMD-SHELL …. */
export interface HealthConfig {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** What the probes have found, as inspect shows it. */
export interface Health {
  Status: HealthStatus;
  FailingStreak: number;
  /** The latest five. */
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

export interface ContainerConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  ExposedPorts: Record<string, object>;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[];
  Cmd: string[] | null;
  Entrypoint: string[] | null;
  Image: string;
  WorkingDir: string;
  Labels: Record<string, string>;
  StopSignal: string;
  /** Targets of anonymous volumes: `-v /path` and the image's VOLUME. */
  Volumes: Record<string, object>;
  /** Seconds; undefined = 10. */
  StopTimeout?: number;
  Healthcheck?: HealthConfig;
  /** What runs a CMD-SHELL; /bin/sh -c without it. */
  Shell?: string[];
}

export interface MountRequest {
  Type: 'bind' | 'volume' | 'tmpfs';
  Source: string;
  Target: string;
  ReadOnly: boolean;
  BindOptions?: { Propagation: string; NonRecursive: boolean; CreateMountpoint: boolean };
  VolumeOptions?: {
    NoCopy: boolean;
    Labels: Record<string, string>;
    Subpath: string;
    DriverConfig: { Name: string; Options: Record<string, string> };
  };
  TmpfsOptions?: { SizeBytes: number; Mode?: number };
}

export interface DeviceRequest {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

export interface HostConfig {
  Memory: number;
  MemorySwap: number;
  NanoCpus: number;
  CpuQuota: number;
  CpuPeriod: number;
  CpuShares: number;
  PidsLimit: number;
  /** These were added after the first records were written: a record may lack them. */
  MemoryReservation?: number;
  MemorySwappiness?: number | null;
  OomKillDisable?: boolean | null;
  CpusetCpus?: string;
  CpusetMems?: string;
  BlkioWeight?: number;
  DeviceCgroupRules?: string[];
  GroupAdd?: string[];
  CgroupnsMode?: string;
  /** Another OCI runtime's name; left out or `berth`: the engine's own. */
  Runtime?: string;
  MaskedPaths?: string[] | null;
  ReadonlyPaths?: string[] | null;
  Annotations?: Record<string, string>;
  /** Rows and columns of the client's terminal when it asked for the container. */
  ConsoleSize?: [number, number];
  Binds: string[];
  Mounts: MountRequest[];
  Tmpfs: Record<string, string>;
  VolumesFrom: string[];
  VolumeDriver: string;
  NetworkMode: string;
  PortBindings?: Record<string, PortBinding[]>;
  PublishAllPorts?: boolean;
  Links?: string[];
  CapAdd: string[];
  CapDrop: string[];
  Privileged: boolean;
  SecurityOpt: string[];
  ReadonlyRootfs: boolean;
  ShmSize: number;
  Sysctls: Record<string, string>;
  Ulimits: { Name: string; Soft: number; Hard: number }[];
  Init: boolean;
  RestartPolicy: { Name: '' | 'no' | 'always' | 'on-failure' | 'unless-stopped'; MaximumRetryCount: number };
  AutoRemove: boolean;
  LogConfig: { Type: string; Config: Record<string, string> };
  ExtraHosts: string[];
  Dns: string[];
  DnsSearch: string[];
  DnsOptions: string[];
  OomScoreAdj: number;
  UsernsMode: string;
  PidMode: string;
  IpcMode: string;
  UTSMode: string;
  StorageOpt: Record<string, string>;
  Devices: DeviceRequest[];
}

/** What of a container's life must survive the daemon; the rest comes from its shim. */
export interface LifeRecord {
  /** RFC 3339; "" = never. */
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  /** Somebody asked for the stop: restart policies leave it alone. */
  stoppedByUser: boolean;
  restartCount: number;
  /** The latest verdict of the health check, for a daemon that adopts the container. */
  health?: HealthStatus;
}

export interface ContainerRecord {
  id: string;
  name: string;
  /** RFC 3339. */
  created: string;
  imageId: string;
  /** What the creator called the image. */
  imageRef: string;
  /** Layers of the root filesystem, lowest first. */
  layers: string[];
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** Every mount but the engine's own; absent in records older than volumes (see mountsOf in plan-mounts.ts). */
  mounts?: MountPoint[];
  /** What it asks of each of its networks, by name; missing in records from before several were possible. */
  networks?: Record<string, EndpointSettings>;
  /** First uid of its 64k range; null = the host's user namespace. */
  usernsBase: number | null;
  /** Its folder, when nothing else of it could be read: see damaged-record.ts. */
  damagedIn?: string;
  life: LifeRecord;
}

export const freshLife: LifeRecord = {
  startedAt: '',
  finishedAt: '',
  exitCode: 0,
  error: '',
  oomKilled: false,
  stoppedByUser: false,
  restartCount: 0,
};
