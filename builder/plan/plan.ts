// What a driver (a folder in buildpacks/) says about a source tree: the layers of its image, in order, as data.
// The builder executes it (steps/). A driver must never touch the engine, the disk or the network itself.
import type { AppManifest } from '../manifest/app-manifest.ts';
import type { SourceTree } from '../source/source-tree.ts';

/** A driver looks at the tree (`detect`), then says how to build it (`plan`). Both may only read the tree and what the context offers. */
export interface Driver {
  /** Short name: key of caches and label of the image. */
  name: string;
  /** Raise it when the same tree would give another image: every key contains it. */
  version: number;
  /** What the user reads: "Node.js". Undefined: not ours. */
  detect(tree: SourceTree): Promise<string | undefined>;
  plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan>;
  /** Names of drivers that a found app of this language is built with first, when nobody listed any: Rails and Node, say. */
  goesWith?(tree: SourceTree): Promise<readonly string[]>;
}

export interface PlanContext {
  /** The platform's own Node and npm: what an app that asks for nothing gets, without a download. */
  platformNode: { version: string; npmVersion: string };
  /** Versions as a registry lists them, oldest first; a copy on disk is good for a day. */
  listVersions(list: VersionList): Promise<string[]>;
  arch: 'x64' | 'arm64';
  /** What every step gets from the sources table: a plan may look whether the operator names a mirror. */
  sources?: Readonly<Record<string, string>>;
  /** The app's config vars. A plan may branch on them; it must never put a value into a command or a key part. */
  vars: Readonly<Record<string, string>>;
  /** What berth.toml, app.json and Procfile say; absent only in tests of drivers. */
  manifest?: AppManifest;
  /** Another language after this one, or the manifest, starts the app: a plan that knows no start command is no mistake. */
  isPart?: boolean;
  /** Another language is built before this one: what it writes is not in the tree yet. */
  isLater?: boolean;
}

/** How the versions of something are asked for. */
export interface VersionList {
  /** Name of the copy on disk: lower case, unique among all drivers ("node-linux-x64"). */
  name: string;
  /** What the user reads when the registry is away: "Node.js". */
  of: string;
  /** Script for `/bin/sh -e` on the run stack with apt, the platform's Node and npm (/opt/berth/toolbox); constant text, values travel in `env`. */
  script: string;
  env: Record<string, string>;
  /** The script's output as versions, oldest first. Throws on output that is none. */
  parse: (output: string) => string[];
}

export interface BuildPlan {
  /** "Node.js" */
  language: string;
  /** What was chosen, for the user: "Node.js 24.21.0". */
  details: string[];
  warnings: string[];
  /** Layers above the stack, bottom first. A layer that only helps to make others has `inImage: false`. */
  layers: PlannedLayer[];
  /** Process types when the tree has no Procfile. */
  defaultProcessTypes: Record<string, string>;
  /** Environment of the image. `PATH` lists only the folders before the stack's own. */
  env: Record<string, string>;
  path: string[];
  /** Config vars that change what is built: their digest is part of the image's key. */
  varsMatter: boolean;
}

interface LayerBase {
  /** Unique within the plan; `on` and `after` refer to it. */
  id: string;
  inImage: boolean;
}

/** The platform's Node, npm, both, or the headers that native packages are compiled with, unpacked at `prefix`. */
export interface SeedLayer extends LayerBase {
  kind: 'seed';
  /** `runtime` is `node` and `npm` together. */
  part: 'runtime' | 'node' | 'npm' | 'headers';
  prefix: string;
}

/** The pushed tree at /app, without the listed top-level names. */
export interface SourceLayer extends LayerBase {
  kind: 'source';
  leaveOut: string[];
}

/** Files the driver brings along. */
export interface FilesLayer extends LayerBase {
  kind: 'files';
  files: { path: string; mode: number; content: string }[];
}

/** What a command in a container leaves behind in `keep`. */
export interface RunLayer extends LayerBase {
  kind: 'run';
  /** "Installing dependencies (npm ci)" */
  title: string;
  /** Printed instead of the title when the layer is there already; absent: nothing is printed then. */
  cachedTitle?: string;
  /** Name in the build's list of steps. */
  step: string;
  /** Layers below the container's own, besides the stack, bottom first. Their content is part of the key. */
  on: string[];
  /** Layers that only have to be made first (they warm a cache or print before). */
  after?: string[];
  /** Everything else the result depends on. Never a secret: vars come in through `vars`. */
  key: string[];
  /** Whose the result is: `platform` layers are shared by all apps and get no vars; `app` layers belong to one app. */
  scope: 'platform' | 'app';
  /** Files of the tree put into /app, with their modes, before the command runs (for a layer that must not depend on the rest of the source). */
  files: string[];
  /** build: compilers, headers, Python, Ruby, git. tools: what apps run on, with apt and dpkg (packagesLayer). */
  stack: 'run' | 'build' | 'tools';
  /**
   * Compilers only when they are needed: a command that fails on the run stack with such an output runs once more on the build variant, with these
   * layers and settings too. A layer that only `withCompilers` names is made only then.
   */
  withCompilers?: { when: (output: string) => boolean; on: string[]; env: Record<string, string> };
  user: 'root' | 'app';
  /** Script for `/bin/sh -e`. A constant of the driver: nothing of the tree is spliced in; values travel in `env`. */
  script: string;
  env: Record<string, string>;
  path: string[];
  /** Which config vars the command sees and the key covers. */
  vars: 'none' | 'install' | 'all';
  /** Names of config vars that only matter when the app runs: the command does not see them and the key does not cover them. */
  varsLeftOut?: readonly string[];
  /** Folders kept between builds of the app (or, for a `platform` layer, between all platforms of the machine), by name. */
  caches: Record<string, string>;
  /** The result: what the command wrote below this folder; "/" is everything but what belongs to the container alone. */
  keep: string;
  /** Paths below it that are left out. */
  leaveOut: string[];
  /** Its output is shown only when it fails (it repeats what another step showed). */
  quiet: boolean;
  /** One clear line out of the tool's output. */
  explain?: (output: string, exitCode: number) => Explanation | undefined;
}

export interface Explanation {
  message: string;
  hint?: string;
}

export type PlannedLayer = SeedLayer | SourceLayer | FilesLayer | RunLayer;
