// The platform's client of a container engine: the Docker Engine API over a unix socket, plus Berth's layer extension.
// Called by the builder and the host agent. Must never retry by itself, and must never log a container's environment.
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';
import { buildHeaders, buildQuery } from './build-request.ts';
import { type AttachedStream, attachContainer, type OutputChunk, readFrames } from './engine-streams.ts';
import type {
  BuildLine,
  BuildOptions,
  ContainerDetail,
  ContainerExit,
  ContainerSummary,
  CreateContainer,
  CreateNetwork,
  EngineEvent,
  ImageDetail,
  ImageInput,
  LayerInfo,
  LayerOptions,
  LogOptions,
  NetworkDetail,
} from './engine-types.ts';
import { type CallOptions, HttpClient, readBody } from './http-client.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export class EngineClient {
  readonly #http: HttpClient;
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    // Waits, logs and events hold a connection each for as long as a container lives: no low limit may queue a start behind them.
    this.#http = new HttpClient({ socketPath, name: 'the engine', maxSockets: 4096 });
  }

  async ping(): Promise<void> {
    const response = await this.#http.open('GET', '/_ping', { timeoutMs: 5_000 });
    await readBody(response);
    if (response.statusCode !== 200) throw new AppError('unavailable', 'the engine is not ready');
  }

  version(): Promise<{ Version: string; ApiVersion: string; Arch: string; KernelVersion: string }> {
    return this.#http.call('GET', '/version');
  }

  info(): Promise<Record<string, unknown>> {
    return this.#http.call('GET', '/info');
  }

  // Containers

  async createContainer(body: CreateContainer, name?: string): Promise<string> {
    const path = withQuery('/containers/create', { name });
    const created = await this.#http.call<{ Id: string }>('POST', path, { body });
    return created.Id;
  }

  /** Starting a container that runs already is no error. */
  startContainer(id: string): Promise<void> {
    return this.#done('POST', `/containers/${id}/start`, [204, 304]);
  }

  /** SIGTERM (or the container's stop signal), then SIGKILL after `graceSeconds`. One that does not run is no error. */
  stopContainer(id: string, graceSeconds: number): Promise<void> {
    const path = withQuery(`/containers/${id}/stop`, { t: graceSeconds });
    return this.#done('POST', path, [204, 304], { timeoutMs: (graceSeconds + 30) * 1000 });
  }

  /** A container that does not run any more answers `conflict`. */
  killContainer(id: string, signal = 'SIGKILL'): Promise<void> {
    return this.#done('POST', withQuery(`/containers/${id}/kill`, { signal }), [204]);
  }

  /** Waits as long as it takes; abort through the signal. */
  async waitContainer(
    id: string,
    condition: WaitCondition = 'not-running',
    signal?: AbortSignal,
  ): Promise<ContainerExit> {
    const path = withQuery(`/containers/${id}/wait`, { condition });
    const options: CallOptions = { timeoutMs: 0, ...(signal ? { signal } : {}) };
    const answer = await this.#http.call<{ StatusCode: number; Error?: { Message: string } | null }>(
      'POST',
      path,
      options,
    );
    const error = answer.Error?.Message;
    return { exitCode: answer.StatusCode, ...(error ? { error } : {}) };
  }

  /** A container that is not there is no error. */
  removeContainer(id: string, options: { force?: boolean } = {}): Promise<void> {
    const path = withQuery(`/containers/${id}`, { force: options.force ?? false, v: true });
    return this.#done('DELETE', path, [204, 404]);
  }

  inspectContainer(id: string): Promise<ContainerDetail> {
    return this.#http.call('GET', `/containers/${id}/json`);
  }

  listContainers(
    options: { all?: boolean; labels?: readonly string[]; names?: readonly string[] } = {},
  ): Promise<ContainerSummary[]> {
    const filters = filterQuery({ label: options.labels, name: options.names });
    return this.#http.call('GET', withQuery('/containers/json', { all: options.all ?? true, filters }));
  }

  /** Output of the container, oldest first; with `follow` until it ends. Lines carry their time first with `timestamps`. */
  async *logs(id: string, options: LogOptions = {}): AsyncGenerator<OutputChunk> {
    const { follow = false, tail, since, until, timestamps = false, stdout = true, stderr = true } = options;
    const query = { follow, tail, since, until, timestamps, stdout, stderr };
    const response = await this.#open('GET', withQuery(`/containers/${id}/logs`, query), {
      ...(options.signal ? { signal: options.signal } : {}),
    });
    try {
      yield* readFrames(response, options.tty ?? false);
    } finally {
      response.destroy();
    }
  }

  /** Joins the container's streams; asked for before the start, no byte is missed. */
  attach(id: string, options: { stdin?: boolean; tty?: boolean } = {}): Promise<AttachedStream> {
    return attachContainer(this.#socketPath, id, options);
  }

  resizeContainer(id: string, rows: number, cols: number): Promise<void> {
    return this.#done('POST', withQuery(`/containers/${id}/resize`, { h: rows, w: cols }), [200, 204]);
  }

  // Images

  /** By id or tag; undefined when the engine does not have it. */
  inspectImage(reference: string): Promise<ImageDetail | undefined> {
    return this.#maybe('GET', `/images/${encodeURI(reference)}/json`);
  }

  listImages(): Promise<{ Id: string; RepoTags: string[] | null; Labels?: Record<string, string> | null }[]> {
    return this.#http.call('GET', '/images/json');
  }

  tagImage(reference: string, repo: string, tag: string): Promise<void> {
    return this.#done('POST', withQuery(`/images/${encodeURI(reference)}/tag`, { repo, tag }), [201]);
  }

  /** `docker pull`; the engine has its own logins and mirrors. What cannot be had answers `not_found`. Gives the manifest's digest. */
  async pullImage(reference: string, signal: AbortSignal, login?: object): Promise<string | undefined> {
    const path = withQuery('/images/create', { fromImage: reference });
    const headers = { 'X-Registry-Auth': Buffer.from(JSON.stringify(login ?? {})).toString('base64url') };
    // The answer is progress, for as long as it takes: only the caller's signal bounds it.
    const said = await this.#lastLine('POST', path, { timeoutMs: 0, signal, ...(login && { headers }) });
    return said === '' ? undefined : said;
  }

  /** `docker load` of an archive with one image (`docker save`'s, an OCI layout); gives its id. Layers in `known` may be left out of it. */
  async loadImage(
    archive: AsyncIterable<Uint8Array>,
    { known, signal }: { known: readonly string[]; signal: AbortSignal },
  ): Promise<string> {
    const options = { stream: archive, contentType: 'application/x-tar', timeoutMs: 0, signal };
    const path = withQuery('/images/load', { known: known.join(',') });
    const said = await this.#lastLine('POST', path, options);
    const id = /^Loaded image ID: (sha256:[0-9a-f]{64})$/m.exec(said)?.[1];
    if (id === undefined)
      throw new AppError('bad_request', 'the archive does not hold exactly one image without a name');
    return id;
  }

  removeImage(reference: string, options: { force?: boolean } = {}): Promise<void> {
    const path = withQuery(`/images/${encodeURI(reference)}`, { force: options.force ?? false });
    return this.#done('DELETE', path, [200, 404]);
  }

  // Networks

  inspectNetwork(name: string): Promise<NetworkDetail | undefined> {
    return this.#maybe('GET', `/networks/${encodeURIComponent(name)}`);
  }

  /** Gives the network of that name, made if it is not there yet. */
  async ensureNetwork(body: CreateNetwork): Promise<NetworkDetail> {
    const present = await this.inspectNetwork(body.Name);
    if (present) return present;
    try {
      await this.#http.call('POST', '/networks/create', { body });
    } catch (error) {
      // Somebody else made it between the two calls.
      if (!(error instanceof AppError) || error.code !== 'conflict') throw error;
    }
    const made = await this.inspectNetwork(body.Name);
    if (!made) throw new AppError('internal', `the engine did not make the network "${body.Name}"`);
    return made;
  }

  removeNetwork(name: string): Promise<void> {
    return this.#done('DELETE', `/networks/${encodeURIComponent(name)}`, [204, 404]);
  }

  /** Follows events until the signal aborts or the engine goes away (`unavailable`). */
  async *events(
    options: { filters?: Record<string, readonly string[]>; since?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<EngineEvent> {
    const path = withQuery('/events', { since: options.since, filters: filterQuery(options.filters ?? {}) });
    for await (const event of this.#http.lines('GET', path, {
      ...(options.signal ? { signal: options.signal } : {}),
    }))
      yield event as EngineEvent;
  }

  // Berth's extension: layers and images without registries and archives

  /** Unpacks a tar once as a layer; the same content gives the same id. */
  makeLayer(tar: AsyncIterable<Uint8Array>, options: LayerOptions = {}): Promise<LayerInfo> {
    const { uid, gid, mtime, maxBytes, maxFiles, signal } = options;
    // The answer comes after the whole tar has been read: only the caller's signal bounds it.
    return this.#layer(withQuery('/berth/layers', { uid, gid, mtime, maxBytes, maxFiles }), {
      stream: tar,
      contentType: 'application/x-tar',
      timeoutMs: 0,
      ...(signal ? { signal } : {}),
    });
  }

  /** Turns a stopped container's writable layer into a layer, without a copy; the container can only be removed afterwards. */
  commitLayer(
    container: string,
    options: { mtime?: number; exclude?: readonly string[] } = {},
  ): Promise<LayerInfo> {
    const path = withQuery('/berth/layers/commit', { container, ...options });
    return this.#layer(path, { timeoutMs: 0 });
  }

  /** `docker build`: the engine's lines as they come. A Dockerfile that does not build ends with a line that has an `error`. */
  async *buildImage(context: AsyncIterable<Uint8Array>, options: BuildOptions): AsyncGenerator<BuildLine> {
    const response = await this.#open('POST', withQuery('/build', buildQuery(options)), {
      stream: context,
      contentType: 'application/x-tar',
      headers: buildHeaders(options),
      timeoutMs: 0, // the first line comes when the whole context is there
      signal: options.signal,
    });
    try {
      yield* readNdjson(response) as AsyncGenerator<BuildLine>;
    } catch (cause) {
      throw new AppError('unavailable', 'the build was cut off by the engine', { cause });
    } finally {
      response.destroy();
    }
  }

  /** A layer's files as a tar. Read it to its end, or abort. */
  layerTar(diffId: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return this.#open('GET', `/berth/layers/${diffId}/tar`, { timeoutMs: 0, signal });
  }

  /** The images that a Dockerfile stands on; a Dockerfile that cannot be read is `bad_request` with its line. */
  async imagesOfDockerfile(file: {
    dockerfile: string;
    target?: string;
    buildArgs: Record<string, string>;
  }): Promise<string[]> {
    const { images } = await this.#http.call<{ images: string[] }>('POST', '/berth/build/images', {
      body: file,
    });
    return images;
  }

  /** Does the registry of this image answer at all? */
  async canReachRegistry(image: string): Promise<boolean> {
    const path = withQuery('/berth/registries/reach', { image });
    return (await this.#http.call<{ reachable: boolean }>('GET', path)).reachable;
  }

  /** `not_found` when the engine has no such layer. */
  layerInfo(diffId: string): Promise<LayerInfo> {
    return this.#http.call<LayerInfo>('GET', `/berth/layers/${diffId}`);
  }

  /** A file or folder of a container as a tar, below its own name. Read it to its end. */
  containerArchive(id: string, path: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#open('GET', withQuery(`/containers/${id}/archive`, { path }), { timeoutMs: 0 });
  }

  async hasLayer(diffId: string): Promise<boolean> {
    const response = await this.#http.open('HEAD', `/berth/layers/${diffId}`);
    response.resume();
    return response.statusCode === 200;
  }

  /** A layer that is not there answers `not_found` and is named in the message. */
  async makeImage(image: ImageInput): Promise<string> {
    const made = await this.#http.call<{ id: string }>('POST', '/berth/images', { body: image });
    return made.id;
  }

  /** Returns when a power loss would not take the image any more. */
  async syncImage(id: string): Promise<void> {
    await this.#http.call('POST', `/berth/images/${encodeURI(id)}/sync`, { timeoutMs: 60_000 });
  }

  /** A small file out of an image, or undefined. */
  async readImageFile(image: string, path: string): Promise<string | undefined> {
    const query = withQuery(`/berth/images/${encodeURI(image)}/file`, { path });
    const response = await this.#http.open('GET', query);
    const body = await readBody(response);
    if (response.statusCode === 404) return undefined;
    if (response.statusCode !== 200)
      throw new AppError('internal', `cannot read "${path}" of image "${image}"`);
    return body;
  }

  /** Frees images without a tag that are not in `keepImages`, and layers nothing needs. */
  prune(keepImages: readonly string[]): Promise<unknown> {
    return this.#http.call('POST', '/berth/prune', { body: { keepImages }, timeoutMs: 0 });
  }

  close(): void {
    this.#http.close();
  }

  async #layer(path: string, options: CallOptions): Promise<LayerInfo> {
    return this.#http.call<LayerInfo>('POST', path, options);
  }

  /** The text of the last line of an answer of JSON lines. A line with an `error` is thrown. */
  async #lastLine(method: string, path: string, options: CallOptions): Promise<string> {
    const response = await this.#open(method, path, options);
    let last = '';
    try {
      for await (const line of readNdjson(response) as AsyncGenerator<BuildLine>) {
        if (line.error !== undefined) throw new AppError('not_found', line.error);
        last = line.stream ?? /^Digest: (sha256:[0-9a-f]{64})$/.exec(line.status ?? '')?.[1] ?? last;
      }
    } finally {
      response.destroy();
    }
    return last.trim();
  }

  async #maybe<T>(method: string, path: string): Promise<T | undefined> {
    try {
      return await this.#http.call<T>(method, path);
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  async #open(method: string, path: string, options: CallOptions): Promise<Readable> {
    const response = await this.#http.open(method, path, options);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw engineError(status, await readBody(response));
    return response;
  }

  async #done(method: string, path: string, accepted: number[], options: CallOptions = {}): Promise<void> {
    const response = await this.#http.open(method, path, options);
    const body = await readBody(response);
    if (!accepted.includes(response.statusCode ?? 0)) throw engineError(response.statusCode ?? 0, body);
  }
}

function engineError(status: number, body: string): AppError {
  let message = `the engine answered ${status}`;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      message = String(parsed.message);
  } catch {
    // Not JSON: the status alone has to do.
  }
  if (status === 404) return new AppError('not_found', message);
  if (status === 409) return new AppError('conflict', message);
  if (status === 503) return new AppError('unavailable', message);
  if (status === 507) return new AppError('no_space', message);
  return new AppError(status < 500 ? 'bad_request' : 'internal', message);
}

function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const item of value) parameters.append(key, item);
    else parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

function filterQuery(filters: Record<string, readonly string[] | undefined>): string | undefined {
  const given = Object.entries(filters).filter(([, values]) => values !== undefined && values.length > 0);
  return given.length === 0 ? undefined : JSON.stringify(Object.fromEntries(given));
}
