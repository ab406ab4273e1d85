// Docker's routes of images that come and go: pull, push, load, save, import, login. Each loads its machinery when it is used.
// A client that hangs up ends what it asked for; what was brought by then is kept for the next try.
import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import type { ImageParts } from '../images/image-parts.ts';
import type { Image } from '../images/image-store.ts';
import { Progress } from '../images/progress.ts';
import { familiarName, familiarReference, parseReference, type Reference } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';
import type { Helper } from '../runtime/helper.ts';
import { type Call, clientGone, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface TransferApiParts extends ImageParts {
  helper: Helper;
  events: Events;
}

export function imageTransferRoutes(parts: TransferApiParts): Route[] {
  return [
    { method: 'POST', pattern: '/images/create', handle: (call) => create(call, parts) },
    { method: 'POST', pattern: '/images/load', handle: (call) => load(call, parts) },
    {
      method: 'GET',
      pattern: '/images/get',
      handle: (call) => save(call, call.query.getAll('names'), parts),
    },
    {
      method: 'GET',
      pattern: '/images/*name/get',
      handle: (call) => save(call, [param(call, 'name')], parts),
    },
    { method: 'POST', pattern: '/images/*name/push', handle: (call) => push(call, parts) },
    { method: 'GET', pattern: '/images/search', handle: search },
    { method: 'POST', pattern: '/auth', handle: (call) => login(call, parts) },
  ];
}

function search(): Reply {
  throw new AppError('unsupported', 'this engine does not search registries', {
    hint: 'search on the registry itself, then pull by name',
  });
}

function create(call: Call, parts: TransferApiParts): Promise<Reply> {
  return call.query.get('fromSrc') ? importTar(call, parts) : pull(call, parts);
}

/** `fromImage` with a tag, a digest, or (for all tags) neither. */
async function pull({ request, response, query }: Call, parts: TransferApiParts): Promise<Reply> {
  const name = query.get('fromImage') ?? '';
  const label = query.get('tag') ?? '';
  const reference = parseReference(label === '' ? name : `${name}${label.includes(':') ? '@' : ':'}${label}`);
  const [{ readRegistryAuth }, { hostPlatform, parsePlatform }, { pullImage }] = await Promise.all([
    import('../registry-client/credentials.ts'),
    import('../registry-client/platform.ts'),
    import('../images/pull-image.ts'),
  ]);
  const platform = query.get('platform') ? parsePlatform(query.get('platform') ?? '') : undefined;
  const credentials = readRegistryAuth(request.headers['x-registry-auth'], reference.domain);
  const progress = new Progress(response);
  const signal = clientGone(response);
  setMaxListeners(0, signal); // one for each request of each layer
  const ask = { platform, hostPlatform: hostPlatform(), credentials, progress, signal };
  try {
    const isWhole = reference.tag !== undefined || reference.digest !== undefined;
    const wanted = isWhole ? [reference] : await allTags(reference, ask, parts);
    let isNew = false;
    for (const one of wanted) {
      const pulled = await pullImage({ ...ask, reference: one }, parts);
      parts.events.publish('image', 'pull', familiarReference(one), { name: familiarName(one) });
      isNew ||= pulled.isNew;
    }
    const state = isNew ? 'Downloaded newer image for' : 'Image is up to date for';
    progress.message(`Status: ${state} ${familiarReference(reference)}`);
    progress.end();
  } catch (error) {
    progress.fail(error);
  }
  return undefined;
}

async function allTags(
  reference: Reference,
  ask: { credentials: import('../registry-client/credentials.ts').Credentials; signal: AbortSignal },
  { registries }: TransferApiParts,
): Promise<Reference[]> {
  const { PullSource } = await import('../registry-client/pull-source.ts');
  const source = new PullSource(reference, { ...ask, registries });
  try {
    const tags = await source.tags();
    if (tags.length === 0)
      throw new AppError('not_found', `repository ${familiarName(reference)} has no tags`);
    return tags.map((tag) => ({ ...reference, tag }));
  } finally {
    source.close();
  }
}

async function push(call: Call, parts: TransferApiParts): Promise<Reply> {
  const { request, response, query } = call;
  const reference = parseReference(param(call, 'name'));
  if (reference.digest !== undefined)
    throw new AppError('bad_request', 'cannot push a digest reference', { hint: 'push a tag' });
  const tag = query.get('tag') || reference.tag;
  const chosen = imagesToPush(reference, tag, parts);
  const [{ readRegistryAuth }, { pushImage }] = await Promise.all([
    import('../registry-client/credentials.ts'),
    import('../images/push-image.ts'),
  ]);
  const credentials = readRegistryAuth(request.headers['x-registry-auth'], reference.domain);
  const progress = new Progress(response);
  const signal = clientGone(response);
  setMaxListeners(0, signal);
  try {
    progress.message(`The push refers to repository [${reference.domain}/${reference.path}]`);
    for (const one of chosen) {
      await pushImage({ ...one, reference, credentials, progress, signal }, parts);
      const name = familiarReference({ ...reference, tag: one.tag });
      parts.events.publish('image', 'push', name, { name: familiarName(reference) });
    }
    progress.end();
  } catch (error) {
    progress.fail(error);
  }
  return undefined;
}

/** One tag, or (with none) all of the repository. */
function imagesToPush(
  reference: Reference,
  tag: string | undefined,
  { images }: TransferApiParts,
): { image: Image; tag: string }[] {
  const name = familiarName(reference);
  const found =
    tag === undefined ? images.taggedAs(name) : images.taggedAs(name).filter((one) => one.tag === tag);
  if (found.length > 0) return found;
  const what = tag === undefined ? name : `${name}:${tag}`;
  throw new AppError('not_found', `An image does not exist locally with the tag: ${what}`);
}

/** `known` is ours: digests of layers, separated by commas, that the archive may leave out. */
async function load({ request, response, query }: Call, parts: TransferApiParts): Promise<Reply> {
  const [{ loadArchive }, { hostPlatform, parsePlatform }] = await Promise.all([
    import('../images/load-archive.ts'),
    import('../registry-client/platform.ts'),
  ]);
  const platform = query.get('platform') ? parsePlatform(query.get('platform') ?? '') : hostPlatform();
  const known = query.get('known');
  const loaded = await loadArchive(request, parts, {
    platform,
    ...(known === null ? {} : { known: new Set(known.split(',')) }),
  });
  const progress = new Progress(response);
  for (const { image, tags } of loaded) {
    const names =
      tags.length > 0 ? tags.map((name) => `Loaded image: ${name}`) : [`Loaded image ID: ${image.id}`];
    for (const line of names) progress.write({ stream: `${line}\n` });
    parts.events.publish('image', 'load', image.id, { name: tags[0] ?? image.id });
  }
  progress.end();
  return undefined;
}

async function save({ response }: Call, names: string[], parts: TransferApiParts): Promise<Reply> {
  const { saveArchive } = await import('../images/save-archive.ts');
  const saved = imagesToSave(
    names.flatMap((name) => name.split(',')),
    parts,
  );
  if (saved.length === 0) throw new AppError('bad_request', 'no image to save is named');
  const release = parts.leases.hold(saved.flatMap(({ image }) => image.config.diffIds));
  try {
    const archive = await saveArchive(saved, parts);
    response.writeHead(200, { 'Content-Type': 'application/x-tar' });
    for (const { image } of saved) parts.events.publish('image', 'save', image.id, { name: image.id });
    // A failure breaks the connection: the archive lacks its end, and the client says so.
    await pipeline(archive, response);
  } finally {
    release();
  }
  return undefined;
}

/** `app` means all tags of that repository, `app:v1` one, an id the image without a name; the same image comes once. */
function imagesToSave(names: readonly string[], { images }: TransferApiParts) {
  const chosen = new Map<string, { image: Image; tags: string[] }>();
  const add = (image: Image, tags: readonly string[]) => {
    const one = chosen.get(image.id) ?? { image, tags: [] };
    one.tags.push(...tags.filter((tag) => !one.tags.includes(tag)));
    chosen.set(image.id, one);
  };
  for (const name of names.filter((each) => each !== '')) {
    const tagged = /[@:]/.test(name.slice(name.lastIndexOf('/') + 1)) ? [] : images.taggedAs(name);
    for (const { image, tag } of tagged) add(image, [`${name}:${tag}`]);
    if (tagged.length > 0) continue;
    const image = images.get(name);
    add(image, images.hasTag(name) ? [images.tagName(name)] : []);
  }
  return [...chosen.values()];
}

async function importTar({ request, response, query }: Call, parts: TransferApiParts): Promise<Reply> {
  const source = query.get('fromSrc') ?? '';
  if (query.get('platform')) checkImportPlatform(query.get('platform') ?? '', await hostOf());
  const repo = query.get('repo') ?? '';
  const reference =
    repo === '' ? undefined : parseReference(query.get('tag') ? `${repo}:${query.get('tag')}` : repo);
  const [{ importImage }, { openSource }] = await Promise.all([
    import('../images/import-image.ts'),
    import('../images/import-source.ts'),
  ]);
  const body: Readable = source === '-' ? request : await openSource(source, clientGone(response));
  const image = await importImage(
    body,
    { changes: query.getAll('changes'), message: query.get('message') ?? '', source },
    parts,
  );
  if (reference) parts.images.tag(image, familiarReference({ ...reference, tag: reference.tag ?? 'latest' }));
  parts.events.publish('image', 'import', image.id, {
    name: reference ? familiarReference(reference) : image.id,
  });
  const progress = new Progress(response);
  progress.message(image.id);
  progress.end();
  return undefined;
}

async function hostOf(): Promise<string> {
  const { hostPlatform, platformText } = await import('../registry-client/platform.ts');
  return platformText(hostPlatform());
}

function checkImportPlatform(asked: string, host: string): void {
  if (asked !== host && asked !== 'linux')
    throw new AppError('unsupported', `this engine imports images for "${host}" only, not for "${asked}"`);
}

async function login({ request }: Call, { registries }: TransferApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(request), 'AuthConfig');
  const { logIn } = await import('../registry-client/log-in.ts');
  await logIn(fields, registries);
  return { status: 200, body: { Status: 'Login Succeeded', IdentityToken: '' } };
}
