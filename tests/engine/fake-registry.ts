// A registry that a test can make lie, stall and leak: manifests and blobs in memory, every request kept with its headers.
// Listens on any loopback address, so that two of them are two hosts. Speaks TLS when given a key.
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { makeTar } from './make-tar.ts';

export const digestOf = (bytes: string | Buffer) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface Seen {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
}

export interface FakeImage {
  manifest: string;
  digest: string;
  config: string;
  layers: { digest: string; diffId: string; bytes: Buffer }[];
}

type Handler = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

const type = 'application/vnd.oci.image';

/** An image of layers with one file each; `change` may make its manifest wrong. */
export function makeImage(
  contents: Buffer[],
  change: (manifest: Record<string, unknown>) => Record<string, unknown> = (manifest) => manifest,
): FakeImage {
  const layers = contents.map((content, index) => {
    const tar = makeTar([{ name: `file${index}`, content }]);
    const bytes = gzipSync(tar, { level: 1 });
    return { bytes, digest: digestOf(bytes), diffId: digestOf(tar) };
  });
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/file0'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const whole = {
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, digest: digestOf(config), size: config.length },
    layers: layers.map(({ digest, bytes }) => ({
      mediaType: `${type}.layer.v1.tar+gzip`,
      digest,
      size: bytes.length,
    })),
  };
  const manifest = JSON.stringify(change(whole));
  return { manifest, digest: digestOf(manifest), config, layers };
}

export class FakeRegistry {
  readonly seen: Seen[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { text: string; mediaType: string }>();
  /** Asked before the registry itself answers; true when it has answered. */
  handler: Handler = () => false;
  address = '';
  #server: ReturnType<typeof createServer> | undefined;

  /** `host`: 127.0.0.1, 127.0.0.2, … */
  static async start(host = '127.0.0.1', tls?: { key: string; cert: string }): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      registry.#serve(request, response).catch(() => response.destroy());
    };
    registry.#server = tls ? createTlsServer(tls, serve) : createServer(serve);
    const { promise, resolve } = Promise.withResolvers<void>();
    registry.#server.listen(0, host, resolve);
    await promise;
    registry.address = `${host}:${(registry.#server.address() as AddressInfo).port}`;
    return registry;
  }

  add(repository: string, tag: string, image: FakeImage): void {
    this.putManifest(repository, tag, image.manifest, `${type}.manifest.v1+json`);
    this.blobs.set(digestOf(image.config), Buffer.from(image.config));
    for (const { digest, bytes } of image.layers) this.blobs.set(digest, bytes);
  }

  putManifest(repository: string, tag: string, text: string, mediaType: string): void {
    for (const reference of [tag, digestOf(text)])
      this.manifests.set(`${repository}:${reference}`, { text, mediaType });
  }

  /** Requests whose path holds the word, such as a digest. */
  asked(word: string): Seen[] {
    return this.seen.filter(({ path }) => path.includes(word));
  }

  /** Asks for Basic credentials before anything else. */
  demandBasic(): void {
    this.handler = (request, response) => {
      if (request.headers.authorization) return false;
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="here"' }).end();
      return true;
    };
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const method = request.method ?? '';
    this.seen.push({ method, path, headers: request.headers });
    if (await this.handler(request, response)) return;
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(path) ?? [];
    if (path === '/v2/') return void response.writeHead(200).end('{}');
    if (kind === 'manifests' && method === 'PUT')
      return this.#takeManifest(request, response, repository, reference);
    if (kind === 'manifests') return this.#sendManifest(response, `${repository}:${reference}`);
    if (kind === 'blobs') return this.#sendBlob(request, response, reference);
    response.writeHead(404).end('{}');
  }

  async #takeManifest(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
  ): Promise<void> {
    const text = (await buffer(request)).toString();
    this.putManifest(repository, reference, text, request.headers['content-type'] ?? '');
    response.writeHead(201).end();
  }

  #sendManifest(response: ServerResponse, key: string): void {
    const found = this.manifests.get(key);
    const body = found?.text ?? '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}';
    response.writeHead(found ? 200 : 404, { 'Content-Type': found?.mediaType ?? 'application/json' });
    response.end(body);
  }

  #sendBlob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest);
    if (!bytes) return void response.writeHead(404).end('{}');
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const part = bytes.subarray(start);
    const range = { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': part.length, ...(start > 0 ? range : {}) });
    response.end(request.method === 'HEAD' ? undefined : part);
  }
}
