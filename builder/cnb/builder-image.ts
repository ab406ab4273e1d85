// What a Cloud Native builder image says about itself: its lifecycle, its user, the image that apps run on. Called by build-with-lifecycle.ts.
// Must never run anything of it: labels, environment and small files are read, and what is missing is refused with what a builder has.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import { at, itemsOf, textOf } from '../source/located.ts';
import { parseToml } from '../source/parse-toml.ts';

/** The newest first. 0.12 is the first whose lifecycle reads and writes image layouts: builders since late 2023 have it. */
const platformApis = ['0.13', '0.12'] as const;

export interface RunImage {
  /** The name that the builder gives it: what a rebase looks for later. */
  name: string;
  mirrors: readonly string[];
}

export interface BuilderImage {
  reference: string;
  detail: ImageDetail;
  platformApi: string;
  uid: number;
  gid: number;
  runImage: RunImage;
  lifecycleVersion: string;
}

type Engine = Pick<EngineClient, 'inspectImage' | 'readImageFile'>;

export async function readBuilderImage(
  engine: Engine,
  reference: string,
  detail: ImageDetail,
): Promise<BuilderImage> {
  const label = detail.Config.Labels?.['io.buildpacks.builder.metadata'];
  const metadata = label === undefined ? undefined : parseLabel(label);
  if (metadata === undefined)
    throw notABuilder(reference, 'it has no label "io.buildpacks.builder.metadata" with a JSON object');
  const runImage = runImageOf(metadata) ?? (await runImageInFile(engine, detail.Id));
  if (!runImage) throw notABuilder(reference, 'neither its label nor /cnb/run.toml names a run image');
  const { uid, gid } = ownerOf(reference, detail);
  return {
    reference,
    detail,
    platformApi: platformApiOf(reference, metadata),
    uid,
    gid,
    runImage,
    lifecycleVersion: textAt(metadata, 'lifecycle', 'version') ?? '',
  };
}

function parseLabel(label: string): unknown {
  try {
    const value: unknown = JSON.parse(label);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function notABuilder(reference: string, why: string): AppError {
  return new AppError('invalid', `the image "${reference}" is no Cloud Native builder: ${why}`, {
    hint: 'name a builder: berth stack:set cnb:IMAGE; or go back to the default: berth stack:set default',
  });
}

/** Of the label: `images` since Platform API 0.12, `stack.runImage` before. */
function runImageOf(metadata: unknown): RunImage | undefined {
  const [first] = listAt(metadata, 'images');
  for (const place of [first, valueAt(metadata, 'stack', 'runImage')]) {
    const name = textAt(place, 'image');
    if (name !== undefined && name !== '') return { name, mirrors: listAt(place, 'mirrors').filter(isText) };
  }
  return undefined;
}

async function runImageInFile(engine: Engine, image: string): Promise<RunImage | undefined> {
  const file = await engine.readImageFile(image, '/cnb/run.toml');
  const [first] = file === undefined ? [] : itemsOf(at(parseToml('/cnb/run.toml', file), 'images'));
  const name = textOf(at(first, 'image'));
  if (name === undefined) return undefined;
  const mirrors = itemsOf(at(first, 'mirrors')).map(textOf);
  return { name, mirrors: mirrors.filter(isText) };
}

function ownerOf(reference: string, { Config }: ImageDetail): { uid: number; gid: number } {
  const env = new Map((Config.Env ?? []).map((line) => splitOnce(line)));
  const [uid, gid] = ['CNB_USER_ID', 'CNB_GROUP_ID'].map((name) => env.get(name) ?? '');
  if (!/^[1-9]\d{0,4}$/.test(uid ?? '') || !/^\d{1,5}$/.test(gid ?? ''))
    throw notABuilder(reference, 'CNB_USER_ID and CNB_GROUP_ID of its environment name no user but root');
  return { uid: Number(uid), gid: Number(gid) };
}

function splitOnce(line: string): [string, string] {
  const end = line.indexOf('=');
  return end === -1 ? [line, ''] : [line.slice(0, end), line.slice(end + 1)];
}

function platformApiOf(reference: string, metadata: unknown): string {
  const offered = ['supported', 'deprecated'].flatMap((kind) =>
    listAt(metadata, 'lifecycle', 'apis', 'platform', kind).filter(isText),
  );
  const chosen = platformApis.find((api) => offered.includes(api));
  if (chosen !== undefined) return chosen;
  const version = textAt(metadata, 'lifecycle', 'version') ?? 'unknown';
  throw new AppError(
    'invalid',
    `the lifecycle ${version} of the builder "${reference}" speaks Platform API ${offered.join(', ') || 'unknown'}`,
    { hint: `a builder with a lifecycle that speaks ${platformApis.toReversed().join(' or ')} is needed` },
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Fields of somebody else's JSON: what has another shape is not there. */
export function valueAt(value: unknown, ...path: string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

export function textAt(value: unknown, ...path: string[]): string | undefined {
  const found = valueAt(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

export function listAt(value: unknown, ...path: string[]): unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}
