// OCI image configs: what the daemon reads out of them, and the canonical bytes whose digest is the image's id. Pure.
import { createHash } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';

/** The `config` object of an image: defaults for its containers. */
export interface ImageDefaults {
  User: string;
  Env: string[];
  Cmd: string[] | null;
  Entrypoint: string[] | null;
  WorkingDir: string;
  Labels: Record<string, string>;
  StopSignal: string;
  ExposedPorts: Record<string, object>;
  Volumes: Record<string, object>;
  OnBuild: string[];
  Shell: string[] | null;
  /** As the image's author wrote it: `Test`, `Interval`, … */
  Healthcheck: Record<string, unknown> | null;
}

/** Of an image that says nothing. */
export const noDefaults: Readonly<ImageDefaults> = {
  User: '',
  Env: [],
  Cmd: null,
  Entrypoint: null,
  WorkingDir: '',
  Labels: {},
  StopSignal: '',
  ExposedPorts: {},
  Volumes: {},
  OnBuild: [],
  Shell: null,
  Healthcheck: null,
};

export interface ImageConfig {
  architecture: string;
  os: string;
  variant: string;
  created: string;
  author: string;
  defaults: ImageDefaults;
  /** Lowest first, `sha256:<hex>`. */
  diffIds: string[];
  history: { created: string; createdBy: string; comment: string; emptyLayer: boolean }[];
}

export function parseImageConfig(value: unknown): ImageConfig {
  const fields = new JsonFields(value);
  const config = fields.object('config') ?? new JsonFields({}, 'config');
  const diffIds = fields.object('rootfs')?.texts('diff_ids') ?? [];
  for (const diffId of diffIds) checkDigest(diffId);
  return {
    architecture: fields.text('architecture') ?? '',
    os: fields.text('os') ?? 'linux',
    variant: fields.text('variant') ?? '',
    created: fields.text('created') ?? '',
    author: fields.text('author') ?? '',
    defaults: {
      User: config.text('User') ?? '',
      Env: config.texts('Env') ?? [],
      Cmd: config.command('Cmd') ?? null,
      Entrypoint: config.command('Entrypoint') ?? null,
      WorkingDir: config.text('WorkingDir') ?? '',
      Labels: config.map('Labels') ?? {},
      StopSignal: config.text('StopSignal') ?? '',
      ExposedPorts: (config.object('ExposedPorts')?.raw() ?? {}) as Record<string, object>,
      Volumes: (config.object('Volumes')?.raw() ?? {}) as Record<string, object>,
      OnBuild: config.texts('OnBuild') ?? [],
      Shell: config.texts('Shell') ?? null,
      Healthcheck: config.object('Healthcheck')?.raw() ?? null,
    },
    diffIds,
    history: fields.objects('history').map((entry) => ({
      created: entry.text('created') ?? '',
      createdBy: entry.text('created_by') ?? '',
      comment: entry.text('comment') ?? '',
      emptyLayer: entry.flag('empty_layer') ?? false,
    })),
  };
}

export function checkDigest(digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new AppError('bad_request', `"${digest.slice(0, 100)}" is not a sha256 digest`);
  return digest;
}

/** JSON with sorted keys: the same config gives the same image id whichever way its author ordered it. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}

export function digestOf(bytes: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
