// Looks for values of config vars in a layer that a command of the app has made: what is in an image can be read by everybody who gets the image.
// Called by make-layers.ts beside the rest of the build. Must never put a value into its answer.
import type { EngineClient } from '@berth/clients/engine-client.ts';

export interface FoundVar {
  name: string;
  /** In the image. */
  path: string;
}

/** Shorter values stand in files by chance. */
const minLength = 8;
/** Frameworks write these into what browsers get, and say so in the name. */
const publicName =
  /^(NEXT_PUBLIC|NUXT_PUBLIC|VITE|REACT_APP|VUE_APP|GATSBY|EXPO_PUBLIC|PUBLIC|NG_APP|STORYBOOK)_/;
/** An address without a login or a query opens nothing. */
const plainAddress = /^[a-z][a-z+]*:\/\/[^@?]*$/i;
const block = 512;

/** What to look for, by name. Of a value with several lines the longest says enough; a key's first line is everybody's. */
export function searchedValues(secrets: Readonly<Record<string, string>>): Map<string, Buffer> {
  const values = new Map<string, Buffer>();
  for (const [name, value] of Object.entries(secrets)) {
    if (publicName.test(name) || plainAddress.test(value)) continue;
    const lines = value.split('\n').map((line) => line.trim());
    const longest = lines.filter((line) => !line.startsWith('-----')).sort((a, b) => b.length - a.length)[0];
    if (longest !== undefined && longest.length >= minLength) values.set(name, Buffer.from(longest));
  }
  return values;
}

export async function searchLayer(
  engine: Pick<EngineClient, 'layerTar'>,
  diffId: string,
  values: Map<string, Buffer>,
  signal: AbortSignal,
): Promise<FoundVar[]> {
  if (values.size === 0) return [];
  const search = new TarSearch(values);
  for await (const chunk of await engine.layerTar(diffId, signal)) {
    search.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    if (search.isOver) break;
  }
  return search.found;
}

/** A tar as it comes, in pieces of any length. Understands what the engine writes: ustar, and PAX for long names. */
export class TarSearch {
  readonly found: FoundVar[] = [];
  readonly #wanted: Map<string, Buffer>;
  readonly #overlap: number;
  #header = Buffer.alloc(0);
  #path = '';
  /** The next entry's, out of a PAX record. */
  #longPath: string | undefined;
  #pax: Buffer[] | undefined;
  /** Bytes of content that are still to come, then of padding. */
  #content = 0;
  #padding = 0;
  /** The end of the content before, where a value may have begun. */
  #tail = Buffer.alloc(0);

  constructor(values: ReadonlyMap<string, Buffer>) {
    this.#wanted = new Map(values);
    this.#overlap = Math.max(0, ...[...values.values()].map(({ length }) => length - 1));
  }

  get isOver(): boolean {
    return this.#wanted.size === 0;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#content > 0) {
        const piece = chunk.subarray(at, at + this.#content);
        this.#take(piece);
        this.#content -= piece.length;
        at += piece.length;
        if (this.#content === 0) this.#endContent();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else {
        const piece = chunk.subarray(at, at + block - this.#header.length);
        this.#header = Buffer.concat([this.#header, piece]);
        at += piece.length;
        if (this.#header.length === block) this.#open(this.#header);
      }
    }
  }

  #open(header: Buffer): void {
    this.#header = Buffer.alloc(0);
    const text = (from: number, length: number) =>
      header.toString('utf8', from, from + length).split('\0', 1)[0] ?? '';
    const size = Number.parseInt(text(124, 12), 8) || 0;
    const type = text(156, 1);
    const prefix = text(345, 155);
    this.#content = size;
    this.#padding = (block - (size % block)) % block;
    this.#tail = Buffer.alloc(0);
    this.#pax = type === 'x' ? [] : undefined;
    if (type === 'x') return;
    this.#path = this.#longPath ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
    this.#longPath = undefined;
  }

  #take(piece: Buffer): void {
    if (this.#pax) {
      this.#pax.push(piece);
      return;
    }
    const seam = Buffer.concat([this.#tail, piece.subarray(0, this.#overlap)]);
    for (const [name, value] of this.#wanted) {
      if (!piece.includes(value) && !(this.#tail.length > 0 && seam.includes(value))) continue;
      this.found.push({ name, path: this.#path });
      this.#wanted.delete(name); // one place is enough to act on
    }
    const end = piece.length >= this.#overlap ? piece : Buffer.concat([this.#tail, piece]);
    // A copy: the piece's memory is the stream's.
    this.#tail = Buffer.from(end.subarray(Math.max(0, end.length - this.#overlap)));
  }

  #endContent(): void {
    if (!this.#pax) return;
    this.#longPath = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(Buffer.concat(this.#pax).toString('utf8'))?.[1];
    this.#pax = undefined;
  }
}
