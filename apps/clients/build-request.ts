// A build of a Dockerfile as the engine's API takes it: the query, and what must be in no URL as headers. Pure; used by engine-client.ts.
import type { BuildOptions } from './engine-types.ts';

export function buildQuery(options: BuildOptions): Record<string, string | number | undefined> {
  return {
    buildargs: JSON.stringify(options.buildArgs),
    labels: JSON.stringify(options.labels),
    memory: options.memoryBytes,
    memswap: options.memoryBytes,
    cpushares: options.cpuShares,
    networkmode: options.network,
    dockerfile: options.dockerfile,
    target: options.target,
    nocache: options.noCache === true ? 1 : undefined,
  };
}

export function buildHeaders(options: BuildOptions): Record<string, string> {
  return {
    'X-Berth-Build-Scope': options.scope,
    'X-Berth-Build-Disk': String(options.diskBytes),
    ...secretsHeader(options.secrets),
    ...(options.sources ? { 'X-Berth-Build-Sources': base64Json(options.sources) } : {}),
  };
}

function secretsHeader(secrets: Readonly<Record<string, string>> = {}): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [id, value] of Object.entries(secrets)) encoded[id] = Buffer.from(value).toString('base64');
  return Object.keys(encoded).length === 0 ? {} : { 'X-Berth-Build-Secrets': base64Json(encoded) };
}

function base64Json(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64');
}
