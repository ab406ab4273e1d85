// What a pushed tree says about its app: berth.toml, app.json and Procfile as one. Made by read-manifest.ts once a build; drivers see it as
// `context.manifest`, the controller gets the part that travels with a release. Shapes only.
import type { CronEntry, HealthCheck } from '@berth/contract/manifest.ts';

export interface AppManifest {
  build: BuildRequest;
  /** Commands by process type, without the driver's defaults and without the release phase. `finalProcessTypes` puts all of them together. */
  processTypes: Record<string, string>;
  /** The driver's default process types stand unless a Procfile says otherwise. */
  keepsDefaults: boolean;
  formation: Record<string, { quantity?: number; memoryMb?: number }>;
  healthChecks: Record<string, HealthCheck>;
  /** Seconds between SIGTERM and SIGKILL. */
  stopTimeouts: Record<string, number>;
  /** The port of `web`, when it is not the platform's own. */
  port?: number;
  cron: CronEntry[];
  releaseCommand?: string;
  releaseTimeoutSeconds?: number;
  postdeploy: { first?: string; each?: string };
  /** Environment below the config vars. */
  env: Record<string, string>;
  /** Config vars that the app asks for. */
  vars: Record<string, RequestedVar>;
  /** For the pusher, one line each. */
  warnings: string[];
  /** Where each process type is spoken of besides the Procfile: "berth.toml line 3". */
  places: Record<string, string>;
}

export interface BuildRequest {
  builder?: 'buildpacks' | 'dockerfile';
  /** In order; names, addresses or folders, as `berth buildpacks:set` takes them. */
  buildpacks?: string[];
  /** The file that lists them, when it is not berth.toml. */
  buildpacksFrom?: 'app.json';
  /** The app's folder, without slashes at the ends: the tree that drivers see begins there. */
  root?: string;
  dockerfile?: string;
  target?: string;
  args?: Record<string, string>;
  /** Names of config vars. */
  secrets?: string[];
  command?: string;
  ignore?: string[];
}

export interface RequestedVar {
  description?: string;
  /** A push without it is refused. */
  required: boolean;
  /** Set when the app does not have it. */
  value?: string;
  generate?: boolean;
}
