// The distribution API of one repository at one endpoint: manifests, blobs, tags, uploads. Used by pulls and pushes.
// Everything that comes from the registry is held against its digest before it is used.
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import { digestLike, manifestTypes, maxManifestBytes } from './manifest.ts';
import { RegistrySession, type SessionParts } from './registry-session.ts';
import { readWhole } from './transport.ts';

export interface FetchedManifest {
  mediaType: string;
  digest: string;
  /** Its exact bytes, which are ASCII-compatible JSON. */
  text: string;
}

export interface OpenedBlob {
  body: Readable;
  /** Where the body begins: less than asked for when the registry does not do ranges. */
  offset: number;
}

export class RegistryRepository {
  readonly session: RegistrySession;
  readonly #path: string;

  constructor(parts: SessionParts, actions: readonly ('pull' | 'push')[], alsoPull: readonly string[] = []) {
    this.session = new RegistrySession(parts);
    this.#path = `/v2/${parts.endpoint.repository}`;
    this.session.useScopes([
      `repository:${parts.endpoint.repository}:${actions.join(',')}`,
      ...alsoPull.map((repository) => `repository:${repository}:pull`),
    ]);
  }

  close(): void {
    this.session.close();
  }

  /** By tag or digest. */
  async manifest(reference: string): Promise<FetchedManifest> {
    const { headers, body } = await this.session.fetch(
      'GET',
      `${this.#path}/manifests/${reference}`,
      { Accept: manifestTypes.join(', ') },
      [200],
    );
    const bytes = await readWhole(body, maxManifestBytes, 'the manifest');
    const text = bytes.toString('utf8');
    const isDigest = reference.includes(':');
    const said = isDigest ? reference : String(headers['docker-content-digest'] ?? '');
    const digest = digestLike(bytes, said);
    if (said !== '' && digest !== said)
      throw new AppError('bad_request', `manifest "${said}" has the digest "${digest}"`, {
        hint: 'the registry or something on the way changed it',
      });
    return { mediaType: String(headers['content-type'] ?? ''), digest, text };
  }

  /** The digest a tag stands for, without fetching it; undefined when there is none. */
  async manifestDigest(reference: string): Promise<string | undefined> {
    const { status, headers, body } = await this.session.fetch(
      'HEAD',
      `${this.#path}/manifests/${reference}`,
      { Accept: manifestTypes.join(', ') },
      [200, 404],
    );
    body.resume();
    return status === 200 ? String(headers['docker-content-digest'] ?? '') || undefined : undefined;
  }

  async putManifest(reference: string, mediaType: string, text: string): Promise<void> {
    const body = Buffer.from(text);
    const { body: answer } = await this.session.request({
      method: 'PUT',
      target: `${this.#path}/manifests/${reference}`,
      headers: { 'Content-Type': mediaType, 'Content-Length': String(body.length) },
      body,
      accept: [200, 201, 202],
    });
    answer.resume();
  }

  /** `offset`: bytes that are there already. */
  async openBlob(digest: string, offset: number): Promise<OpenedBlob> {
    const { status, headers, body } = await this.session.fetch(
      'GET',
      `${this.#path}/blobs/${digest}`,
      offset > 0 ? { Range: `bytes=${offset}-` } : {},
      [200, 206],
    );
    if (status === 200) return { body, offset: 0 };
    const start = Number(/^bytes (\d+)-/.exec(String(headers['content-range'] ?? ''))?.[1] ?? Number.NaN);
    if (start === offset) return { body, offset };
    body.destroy();
    throw new AppError('bad_request', `the registry answered with another range of "${digest}"`);
  }

  async hasBlob(digest: string): Promise<boolean> {
    const { status, body } = await this.session.fetch(
      'HEAD',
      `${this.#path}/blobs/${digest}`,
      {},
      [200, 404],
    );
    body.resume();
    return status === 200;
  }

  /** All tags, page by page; `limit` bounds what a registry can make us keep. */
  async tags(limit = 10_000): Promise<string[]> {
    const tags: string[] = [];
    let next: string | URL | undefined = `${this.#path}/tags/list?n=1000`;
    const origin = await this.session.origin();
    while (next !== undefined && tags.length < limit) {
      const { headers, body } = await this.session.request({ method: 'GET', target: next, accept: [200] });
      const text = (await readWhole(body, maxManifestBytes, 'the list of tags')).toString('utf8');
      const page = new JsonFields(JSON.parse(text), 'tags').texts('tags') ?? [];
      tags.push(...page.filter((tag) => /^\w[\w.-]{0,127}$/.test(tag)));
      const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(headers['link'] ?? ''))?.[1];
      const url = link === undefined ? undefined : this.session.resolveLocation(link, origin);
      next = url !== undefined && url.origin === origin.origin && page.length > 0 ? url : undefined;
    }
    return tags.slice(0, limit);
  }

  /** Begins an upload, or takes the blob over from another repository of this registry. */
  async startUpload(mount?: { digest: string; from: string }): Promise<URL | 'mounted'> {
    const query =
      mount === undefined
        ? ''
        : `?mount=${encodeURIComponent(mount.digest)}&from=${encodeURIComponent(mount.from)}`;
    const path = `${this.#path}/blobs/uploads/`;
    const { status, headers, body } = await this.session.request({
      method: 'POST',
      target: `${path}${query}`,
      headers: { 'Content-Length': '0' },
      accept: [201, 202],
    });
    body.resume();
    if (status === 201 && mount !== undefined) return 'mounted';
    return this.session.resolveLocation(headers.location, new URL(path, await this.session.origin()));
  }

  /** Sends one piece; gives the address of the next. */
  async sendChunk(upload: URL, body: Readable, range: { start: number; size: number }): Promise<URL> {
    const { headers, body: answer } = await this.session.request({
      method: 'PATCH',
      target: upload,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(range.size),
        'Content-Range': `${range.start}-${range.start + range.size - 1}`,
      },
      body,
      accept: [200, 202, 204],
    });
    answer.resume();
    return this.session.resolveLocation(headers.location, upload);
  }

  /** How many bytes of an upload have arrived; undefined when the registry no longer knows it. */
  async uploadedBytes(upload: URL): Promise<{ offset: number; next: URL } | undefined> {
    const { status, headers, body } = await this.session.request({
      method: 'GET',
      target: upload,
      accept: [200, 202, 204, 404],
    });
    body.resume();
    if (status === 404) return undefined;
    const end = /^(?:bytes=)?0-(\d+)$/.exec(String(headers['range'] ?? ''))?.[1];
    const next =
      headers.location === undefined ? upload : this.session.resolveLocation(headers.location, upload);
    return { offset: end === undefined || end === '0' ? 0 : Number(end) + 1, next };
  }

  /** An upload that is not needed after all; a registry that cannot cancel forgets it by itself. */
  async cancelUpload(upload: URL): Promise<void> {
    const { body } = await this.session.request({
      method: 'DELETE',
      target: upload,
      accept: [200, 202, 204, 404, 405],
    });
    body.resume();
  }

  /** Ends an upload; `body` is its whole content when nothing was sent before. */
  async finishUpload(upload: URL, digest: string, content?: { body: Readable; size: number }): Promise<void> {
    const url = new URL(upload);
    url.searchParams.set('digest', digest);
    const { body } = await this.session.request({
      method: 'PUT',
      target: url,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(content?.size ?? 0),
      },
      ...(content === undefined ? {} : { body: content.body }),
      accept: [200, 201, 202, 204],
    });
    body.resume();
  }
}
