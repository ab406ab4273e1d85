// The parts of the Docker Engine API's shapes that the platform uses, in the API's own spelling, and those of Berth's extension.
// Shapes only; engine-client.ts speaks them.

export interface CreateContainer {
  Image: string;
  Cmd?: readonly string[];
  Entrypoint?: readonly string[];
  Env?: readonly string[];
  User?: string;
  WorkingDir?: string;
  Hostname?: string;
  Labels?: Record<string, string>;
  Tty?: boolean;
  OpenStdin?: boolean;
  StdinOnce?: boolean;
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  StopSignal?: string;
  StopTimeout?: number;
  HostConfig?: HostConfig;
}

export interface HostConfig {
  Memory?: number;
  MemorySwap?: number;
  NanoCpus?: number;
  CpuShares?: number;
  PidsLimit?: number;
  Binds?: readonly string[];
  Tmpfs?: Record<string, string>;
  NetworkMode?: string;
  Init?: boolean;
  LogConfig?: { Type?: string; Config: Record<string, string> };
  StorageOpt?: Record<string, string>;
  UsernsMode?: string;
  SecurityOpt?: readonly string[];
  OomScoreAdj?: number;
  ReadonlyRootfs?: boolean;
  ShmSize?: number;
  AutoRemove?: boolean;
}

export interface ContainerState {
  Status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
}

export interface ContainerDetail {
  Id: string;
  Name: string;
  Created: string;
  State: ContainerState;
  Image: string;
  LogPath?: string;
  HostConfig?: HostConfig;
  Config: { Labels: Record<string, string> | null; Tty: boolean; Env?: readonly string[] };
  NetworkSettings: {
    IPAddress?: string;
    Networks?: Record<string, { IPAddress: string; Gateway?: string; NetworkID?: string }>;
  };
}

export interface ContainerSummary {
  Id: string;
  Names: readonly string[];
  Image: string;
  State: ContainerState['Status'];
  Status: string;
  Created: number;
  Labels: Record<string, string>;
}

export interface ContainerExit {
  exitCode: number;
  error?: string;
}

export interface LogOptions {
  follow?: boolean;
  tail?: number | 'all';
  /** Seconds since 1970, with a fraction. */
  since?: number;
  until?: number;
  timestamps?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  tty?: boolean;
  signal?: AbortSignal;
}

export interface ImageDetail {
  Id: string;
  RepoTags: readonly string[] | null;
  Created?: string;
  Architecture: string;
  Size: number;
  Config: {
    Env?: readonly string[] | null;
    Cmd?: readonly string[] | null;
    Entrypoint?: readonly string[] | null;
    User?: string;
    WorkingDir?: string;
    Labels?: Record<string, string> | null;
    ExposedPorts?: Record<string, object> | null;
    Volumes?: Record<string, object> | null;
    Healthcheck?: { Test?: readonly string[] | null } | null;
  };
  RootFS: { Type: string; Layers: readonly string[] };
}

export interface CreateNetwork {
  Name: string;
  Driver?: string;
  Internal?: boolean;
  Options?: Record<string, string>;
  Labels?: Record<string, string>;
}

export interface NetworkDetail {
  Id: string;
  Name: string;
  Driver: string;
  Options: Record<string, string> | null;
  Labels: Record<string, string> | null;
}

export interface EngineEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  time: number;
  timeNano: number;
}

/** A Dockerfile build: the Dockerfile lies at the root of the context. */
export interface BuildOptions {
  /** Path in the context; default: Dockerfile. */
  dockerfile?: string;
  /** Name of the last stage to build. */
  target?: string;
  /** By id, for `RUN --mount=type=secret`: in no layer, no history and no key. */
  secrets?: Readonly<Record<string, string>>;
  /** Where RUN gets things from, and images that stand in for others (name → id or name): in no layer, config or key. */
  sources?: {
    env: Readonly<Record<string, string>>;
    binds: readonly string[];
    images: Readonly<Record<string, string>>;
  };
  noCache?: boolean;
  buildArgs: Record<string, string>;
  labels: Record<string, string>;
  memoryBytes: number;
  cpuShares: number;
  /** What one RUN may write. */
  diskBytes: number;
  /** Of RUN. */
  network: string;
  /** Builds of different scopes share no cache. */
  scope: string;
  signal: AbortSignal;
}

/** One line of a build's answer: text, the image's id, or why it failed. */
export interface BuildLine {
  /** Of a pull. */
  status?: string;
  stream?: string;
  aux?: { ID?: string };
  error?: string;
  /** After the last step: what each took, stages side by side. */
  steps?: DockerfileStep[];
}

export interface DockerfileStep {
  /** Counted from 0. */
  stage: number;
  /** The instruction on one line. */
  text: string;
  seconds: number;
  cached: boolean;
  /** The layer it made. */
  layer?: string;
}

export interface LayerOptions {
  /** Owner forced on every entry. */
  uid?: number;
  gid?: number;
  /** Seconds since 1970, forced on every entry. */
  mtime?: number;
  maxBytes?: number;
  maxFiles?: number;
  signal?: AbortSignal;
}

export interface LayerInfo {
  /** Digest of the layer's canonical tar: `sha256:…`. */
  diffId: string;
  /** Bytes of that tar. */
  size: number;
  files: number;
  /** Bytes of file content. */
  bytes: number;
}

/** OCI's image config without `rootfs`, which the engine derives from the layers. */
export interface ImageConfig {
  architecture: string;
  os: string;
  created?: string;
  config: {
    Env?: readonly string[];
    Cmd?: readonly string[];
    Entrypoint?: readonly string[];
    User?: string;
    WorkingDir?: string;
    ExposedPorts?: Record<string, object>;
    Labels?: Record<string, string>;
    StopSignal?: string;
  };
  history?: readonly { created?: string; created_by?: string; comment?: string; empty_layer?: boolean }[];
}

export interface ImageInput {
  config: ImageConfig;
  /** Bottom first. */
  layers: readonly string[];
  tags?: readonly string[];
}

/** A document about an image, kept as long as the image. */
export interface ReferrerInfo {
  artifactType: string;
  digest: string;
  size: number;
}
