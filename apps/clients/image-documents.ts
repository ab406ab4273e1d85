// Documents about images of an engine (SBOM, provenance): added, listed, read; and files of an image as an archive. Over the engine's socket.
// Called by the builder, which writes them, and by the controller, which shows them and must get no other door to the engine.
import { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { ReferrerInfo } from './engine-types.ts';
import { HttpClient, readBody } from './http-client.ts';

/** The engine writes a document to disk before it answers, and may mount an image's layers to read of them. */
const limitMs = 60_000;

export class ImageDocuments {
  readonly #http: HttpClient;

  constructor(socketPath: string) {
    this.#http = new HttpClient({ socketPath, name: 'the engine' });
  }

  /** Takes the place of the image's document of that type. `not_found`: the engine has no such image. */
  async add(image: string, artifactType: string, document: string): Promise<ReferrerInfo> {
    return this.#http.call('POST', pathOf(image, 'referrers', { artifactType }), {
      stream: Readable.from([Buffer.from(document)]),
      contentType: artifactType,
      timeoutMs: limitMs,
    });
  }

  async list(image: string): Promise<ReferrerInfo[]> {
    const { referrers } = await this.#http.call<{ referrers: ReferrerInfo[] }>(
      'GET',
      pathOf(image, 'referrers'),
      { timeoutMs: limitMs },
    );
    return referrers;
  }

  /** Undefined when the image has none of that type, or is not there. */
  read(image: string, artifactType: string): Promise<Readable | undefined> {
    return this.#open(pathOf(image, 'referrers/document', { artifactType }));
  }

  /** A file or folder of the image as a tar, below its own name; undefined when there is none. Read it to its end. */
  imageArchive(image: string, path: string): Promise<Readable | undefined> {
    return this.#open(pathOf(image, 'archive', { path }));
  }

  close(): void {
    this.#http.close();
  }

  async #open(path: string): Promise<Readable | undefined> {
    const response = await this.#http.open('GET', path, { timeoutMs: limitMs });
    if (response.statusCode === 200) return response;
    await readBody(response);
    if (response.statusCode === 404) return undefined;
    throw new AppError('unavailable', `the engine answered ${response.statusCode}`);
  }
}

function pathOf(image: string, what: string, query: Record<string, string> = {}): string {
  const parameters = new URLSearchParams(query).toString();
  return `/berth/images/${encodeURI(image)}/${what}${parameters === '' ? '' : `?${parameters}`}`;
}
