// A registry of its own for a test, in this process, with a small image to push; and raw HTTP requests to it.
// `close` stops it and removes its folder.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { FolderBlobStore } from '@berth/engine-daemon/content/folder-blob-store.ts';
import { AccountFile } from '@berth/engine-daemon/registry/account-file.ts';
import type { RegistryConfig } from '@berth/engine-daemon/registry/registry-config.ts';
import {
  type RegistryStartParts,
  type RunningRegistry,
  startRegistry,
} from '@berth/engine-daemon/registry/start-registry.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { makeTar } from './make-tar.ts';

/** Where it finds images beside its own. */
type Sources = Pick<RegistryStartParts, 'engineImages' | 'pullThrough'>;

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface HttpAsk {
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export class TestRegistry {
  readonly dir: string;
  readonly blobs: FolderBlobStore;
  readonly accounts: AccountFile;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #hasDisk: boolean;
  #running: RunningRegistry | undefined;

  /** `diskSize`: on a disk of its own of that size (`4m`), to be filled. Needs root. */
  constructor(diskSize?: string) {
    this.dir = mkdtempSync(join(tmpdir(), 'registry-test-'));
    if (diskSize !== undefined)
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskSize}`, 'tmpfs', this.dir]);
    this.#hasDisk = diskSize !== undefined;
    this.blobs = new FolderBlobStore(this.dir);
    this.accounts = new AccountFile(this.dir);
  }

  static async start(
    more: Partial<RegistryConfig> = {},
    sources: Sources = {},
    diskSize?: string,
  ): Promise<TestRegistry> {
    const registry = new TestRegistry(diskSize);
    try {
      await registry.#start(more, sources);
    } catch (error) {
      registry.close();
      throw error;
    }
    return registry;
  }

  async #start(more: Partial<RegistryConfig>, sources: Sources): Promise<void> {
    this.#running = await startRegistry(
      {
        host: '127.0.0.1',
        port: 0,
        anonymous: 'all',
        cert: undefined,
        key: undefined,
        isInsecureAllowed: false,
        publicUrl: undefined,
        proxied: [],
        ...more,
      },
      {
        root: this.dir,
        blobs: this.blobs,
        log: createLogger('registry', 'error'),
        ...sources,
      },
    );
  }

  get address(): string {
    return `127.0.0.1:${this.#running?.port ?? 0}`;
  }

  async ask(method: string, path: string, more: HttpAsk = {}): Promise<HttpAnswer> {
    return ask(this.address, method, path, more, this.#agent);
  }

  /** Stops answering; what it stored stays. */
  pause(): void {
    this.#running?.close();
  }

  close(): void {
    this.#agent.destroy();
    this.#running?.close();
    if (this.#hasDisk) execFileSync('umount', ['--lazy', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function ask(
  address: string,
  method: string,
  path: string,
  { headers = {}, body }: HttpAsk = {},
  agent?: Agent,
): Promise<HttpAnswer> {
  const [host = '', port = ''] = address.split(':');
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = httpRequest(
    {
      host,
      port,
      method,
      path,
      headers: { ...length, ...headers },
      timeout: 10_000,
      ...(agent ? { agent } : {}),
    },
    (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      buffer(response).then(
        (bytes) => resolve({ status, headers: answered, text: bytes.toString() }),
        reject,
      );
    },
  );
  request.on('error', reject);
  request.on('timeout', () => request.destroy(new Error(`${method} ${path} is not answered`)));
  request.end(body);
  return promise;
}

/** A port nobody listens on: for a program that cannot choose one by itself. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

export function sha256(bytes: string | Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface LayoutImage {
  /** Folder of an OCI layout with one image tagged `v1`. */
  layout: string;
  manifest: string;
}

/** A small image as an OCI layout, that skopeo and podman can read. */
export function makeLayout(dir: string): LayoutImage {
  const layout = join(dir, 'layout');
  const blobs = join(layout, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string) => {
    const digest = sha256(bytes);
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const type = 'application/vnd.oci.image';
  const tars = ['first', 'second'].map((name) => makeTar([{ name, content: name.repeat(5000) }]));
  const config = put(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: ['/first'] },
        rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
      }),
    ),
    `${type}.config.v1+json`,
  );
  const layers = tars.map((tar) => put(gzipSync(tar), `${type}.layer.v1.tar+gzip`));
  const mediaType = `${type}.manifest.v1+json`;
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  const manifest = put(Buffer.from(text), mediaType);
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { layout, manifest: manifest.digest };
}
