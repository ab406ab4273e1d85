// POST /build and what belongs to it. The builder itself is imported with the first build: an idle daemon does without.
import { AppError } from '@berth/kit/errors.ts';
import type { BuildParts } from '../build/build-run.ts';
import { parseBuildSources, sourcesHeader } from '../build/build-sources.ts';
import { collectGarbage } from '../images/collect-garbage.ts';
import { Progress } from '../images/progress.ts';
import { JsonFields } from '../json-fields.ts';
import { type Call, clientGone, type Reply, type Route, readJsonBody } from './route.ts';

const secretsHeader = 'x-berth-build-secrets';
const scopeHeader = 'x-berth-build-scope';
const diskHeader = 'x-berth-build-disk';
const housekeepingMs = 3_600_000; // of what month-old builds left; once an hour is plenty
let lastHousekeeping = 0;

export function buildRoutes(parts: BuildParts): Route[] {
  return [
    { method: 'POST', pattern: '/build', handle: (call) => build(call, parts) },
    { method: 'POST', pattern: '/berth/build/images', handle: (call) => listNeeded(call) },
    { method: 'GET', pattern: '/berth/registries/reach', handle: (call) => reach(call, parts) },
    { method: 'POST', pattern: '/build/prune', handle: () => prune(parts) },
  ];
}

async function build({ request, response, query }: Call, parts: BuildParts): Promise<Reply> {
  const { parseBuildOptions } = await import('../build/build-options.ts');
  const { buildImage } = await import('../build/build-image.ts');
  const { BuildOutput } = await import('../build/build-output.ts');
  const { RunFailure } = await import('../build/run-container.ts');
  const options = parseBuildOptions(query);
  const disk = diskOf(request.headers[diskHeader]);
  if (disk !== undefined) options.limits['StorageOpt'] = { size: disk };
  const output = new BuildOutput(response, options.quiet);
  const signal = clientGone(response);
  try {
    await buildImage(
      {
        options,
        secrets: secretsOf(request.headers[secretsHeader]),
        sources: parseBuildSources(request.headers[sourcesHeader]),
        credentials: String(request.headers['x-registry-config'] ?? ''),
        scope: String(request.headers[scopeHeader] ?? ''),
        body: request,
        signal,
        output,
        progress: new Progress(response, options.quiet),
      },
      parts,
    );
  } catch (error) {
    if (signal.aborted) return undefined;
    // Nothing has been said yet: an ordinary answer with its status.
    if (!output.hasBegun) throw error;
    await output.flush();
    await output.tellWithheld();
    const message = messageOf(error);
    if (!(error instanceof AppError)) parts.log.error({ err: error }, 'build failed');
    const code = error instanceof RunFailure ? { code: error.exitCode } : {};
    await output.json({ errorDetail: { ...code, message }, error: message });
  }
  output.end();
  keepHouse(parts);
  return undefined;
}

function keepHouse({ steps, cacheMounts, log }: BuildParts): void {
  if (Date.now() - lastHousekeeping < housekeepingMs) return;
  lastHousekeeping = Date.now();
  steps.trim();
  cacheMounts.trim().catch((err: unknown) => log.warn({ err }, 'old cache mounts stay'));
}

/** Bytes that a step may write. */
function diskOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(String(header))) return String(header);
  throw new AppError('bad_request', `the header "${diskHeader}" is not a number of bytes`);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = error instanceof AppError ? error.hint : undefined;
  return hint === undefined ? error.message : `${error.message} (${hint})`;
}

/** Base64 of a JSON object: ids to base64 values. Never in the URL, which proxies and logs keep. */
function secretsOf(header: string | string[] | undefined): Map<string, Buffer> {
  if (header === undefined) return new Map();
  try {
    const value: unknown = JSON.parse(Buffer.from(String(header), 'base64').toString('utf8'));
    if (typeof value !== 'object' || value === null) throw new TypeError('no object');
    return new Map(
      Object.entries(value).map(([id, content]) => {
        if (typeof content !== 'string') throw new TypeError('no text');
        return [id, Buffer.from(content, 'base64')];
      }),
    );
  } catch {
    // The cause would quote the header.
    throw new AppError(
      'bad_request',
      `the header "${secretsHeader}" is not base64 of a JSON object of base64 values`,
    );
  }
}

/** `docker builder prune`: cached steps, cache mounts, and the layers only they needed. */
async function prune(parts: BuildParts): Promise<Reply> {
  const cached = parts.steps.layers();
  const CachesDeleted = [...cached];
  parts.steps.clear();
  const mounts = await parts.cacheMounts.clear();
  const { bytes } = await collectGarbage(parts, { layers: cached, blobs: new Set() });
  return { status: 200, body: { CachesDeleted, SpaceReclaimed: mounts + bytes } };
}

/** The images a Dockerfile stands on: `{ dockerfile, target, buildArgs }` → `{ images }`. */
async function listNeeded({ request }: Call): Promise<Reply> {
  const { neededImages } = await import('../build/needed-images.ts');
  const fields = new JsonFields(await readJsonBody(request));
  const images = neededImages(fields.text('dockerfile') ?? '', {
    target: fields.text('target') ?? '',
    buildArgs: fields.map('buildArgs') ?? {},
    platform: '',
  });
  return { status: 200, body: { images } };
}

/** Longer than a far registry takes, shorter than a pusher's patience: a firewall that drops packets says nothing at all. */
const reachMs = 5000;

/** Does the registry of `image` (or a mirror of it) answer at all? What it answers is no matter here. */
async function reach({ query }: Call, parts: BuildParts): Promise<Reply> {
  const { parseReference } = await import('../images/references.ts');
  const { PullSource } = await import('../registry-client/pull-source.ts');
  const { anonymous } = await import('../registry-client/credentials.ts');
  const { RegistryFailure } = await import('../registry-client/registry-failure.ts');
  const reference = parseReference(query.get('image') ?? '');
  const signal = AbortSignal.timeout(reachMs);
  const source = new PullSource(reference, { credentials: anonymous, registries: parts.registries, signal });
  try {
    await source.manifest(reference.digest ?? reference.tag ?? 'latest');
    return { status: 200, body: { reachable: true } };
  } catch (error) {
    if (signal.aborted) return { status: 200, body: { reachable: false } };
    if (!(error instanceof RegistryFailure)) throw error;
    const isConnection = error.registryStatus === 0 && /: dial tcp|i\/o timeout/.test(error.message);
    return { status: 200, body: { reachable: !isConnection } };
  } finally {
    source.close();
  }
}
