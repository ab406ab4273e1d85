// What the registry knows of its repositories, below ROOT/registry/repositories/<name>/: which blobs and manifests belong to it, its
// tags, and who refers to whom. Contents lie in the blob store. Called by the registry's routes and, for its roots, by garbage collection.
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '@berth/kit/errors.ts';
import { isDigest, parseDigest } from '../content/digest.ts';
import { writeDurably } from './durable-file.ts';
import type { ParsedManifest } from './parse-manifest.ts';

export interface ManifestRecord {
  digest: string;
  mediaType: string;
  size: number;
  /** Blobs and manifests it names, where they are to be kept with it. */
  references: string[];
  subject?: string;
  /** As a listing of referrers gives it. */
  artifactType?: string;
  annotations?: Record<string, string>;
}

export function recordOf(digest: string, size: number, parsed: ParsedManifest): ManifestRecord {
  const { mediaType, subject, artifactType, annotations } = parsed;
  return {
    digest,
    mediaType,
    size,
    references: [...new Set(parsed.references.map((one) => one.digest))],
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

const freshLinkMs = 3_600_000; // a client sends its blobs first and its manifest last

// Folders of ours begin with an underscore, which no part of a repository's name does.
const folders = { blobs: '_blobs', manifests: '_manifests', tags: '_tags', referrers: '_referrers' };

export class RepositoryStore {
  readonly #dir: string;
  /** The last change of each repository that is under way: changes of one repository come one after another. */
  readonly #changes = new Map<string, Promise<unknown>>();

  constructor(root: string) {
    this.#dir = join(root, 'registry', 'repositories');
  }

  async exists(name: string): Promise<boolean> {
    return (await entries(this.#path(name))).some((entry) => entry.startsWith('_'));
  }

  async hasBlob(name: string, digest: string): Promise<boolean> {
    return isThere(this.#digestPath(name, folders.blobs, digest));
  }

  async linkBlob(name: string, digest: string): Promise<void> {
    const path = this.#digestPath(name, folders.blobs, digest);
    if (!(await touch(path))) await writeDurably(path, '');
  }

  /** False when it was not there. Its content stays until nothing else names it. */
  async unlinkBlob(name: string, digest: string): Promise<boolean> {
    return removeFile(this.#digestPath(name, folders.blobs, digest));
  }

  async manifest(name: string, digest: string): Promise<ManifestRecord | undefined> {
    return readRecord<ManifestRecord>(this.#digestPath(name, folders.manifests, digest));
  }

  /** Notes that it was asked for; false when it is not there. */
  async touchManifest(name: string, digest: string): Promise<boolean> {
    return touch(this.#digestPath(name, folders.manifests, digest));
  }

  /** Removes manifests that nobody has pushed or asked for since then, and then what no manifest names any more. */
  async removeUnused(name: string, sinceMs: number): Promise<void> {
    const named = new Set<string>();
    for (const digest of await this.#digests(name, folders.manifests)) {
      const found = await orNothing(stat(this.#digestPath(name, folders.manifests, digest)));
      if (found && found.mtimeMs < sinceMs) await this.removeManifest(name, digest);
      else for (const one of (await this.manifest(name, digest))?.references ?? []) named.add(one);
    }
    for (const digest of await this.#digests(name, folders.blobs)) {
      const found = await orNothing(stat(this.#digestPath(name, folders.blobs, digest)));
      if (found && found.mtimeMs < sinceMs && !named.has(digest)) await this.unlinkBlob(name, digest);
    }
  }

  putManifest(name: string, record: ManifestRecord, tags: string[]): Promise<void> {
    return this.#alone(name, async () => {
      const text = JSON.stringify(record);
      await writeDurably(this.#digestPath(name, folders.manifests, record.digest), text);
      if (record.subject !== undefined)
        await writeDurably(this.#referrerPath(name, record.subject, record.digest), text);
      for (const tag of tags) await writeDurably(this.#tagPath(name, tag), record.digest);
    });
  }

  /** Removes a manifest and every tag of it; false when it was not there. */
  removeManifest(name: string, digest: string): Promise<boolean> {
    return this.#alone(name, async () => {
      const record = await this.manifest(name, digest);
      if (!record) return false;
      for (const tag of await this.tags(name))
        if ((await this.tag(name, tag)) === digest) await removeFile(this.#tagPath(name, tag));
      if (record.subject !== undefined) await removeFile(this.#referrerPath(name, record.subject, digest));
      return removeFile(this.#digestPath(name, folders.manifests, digest));
    });
  }

  async tag(name: string, tag: string): Promise<string | undefined> {
    const text = await readOrNothing(this.#tagPath(name, tag));
    return text !== undefined && isDigest(text) ? text : undefined;
  }

  removeTag(name: string, tag: string): Promise<boolean> {
    return this.#alone(name, () => removeFile(this.#tagPath(name, tag)));
  }

  /** In the order of their bytes. */
  async tags(name: string): Promise<string[]> {
    const files = await entries(join(this.#path(name), folders.tags));
    return files
      .filter((file) => file.endsWith('.tag'))
      .map((file) => file.slice(0, -'.tag'.length))
      .sort();
  }

  async referrers(name: string, subject: string): Promise<ManifestRecord[]> {
    const folder = this.#digestPath(name, folders.referrers, subject);
    const found: ManifestRecord[] = [];
    for (const file of (await entries(folder)).sort()) {
      const record = file.endsWith('.json')
        ? await readRecord<ManifestRecord>(join(folder, file))
        : undefined;
      if (record) found.push(record);
    }
    return found;
  }

  /** Every repository, in the order of their bytes. */
  async names(): Promise<string[]> {
    const found: string[] = [];
    const walk = async (name: string) => {
      const inside = await entries(this.#path(name));
      if (inside.some((entry) => entry.startsWith('_'))) found.push(name);
      for (const entry of inside) if (!entry.startsWith('_')) await walk(`${name}/${entry}`);
    };
    for (const entry of await entries(this.#dir)) await walk(entry);
    return found.sort();
  }

  /** Every digest that must be kept: all manifests, what they name, and blobs whose manifest is still to come. */
  async *roots(): AsyncGenerator<string> {
    for (const name of await this.names()) {
      for (const digest of await this.#digests(name, folders.manifests)) {
        yield digest;
        yield* (await this.manifest(name, digest))?.references ?? [];
      }
      for (const digest of await this.#digests(name, folders.blobs)) {
        const link = await orNothing(stat(this.#digestPath(name, folders.blobs, digest)));
        if (link && link.mtimeMs > Date.now() - freshLinkMs) yield digest;
      }
    }
  }

  async #digests(name: string, kind: string): Promise<string[]> {
    const folder = join(this.#path(name), kind);
    const found: string[] = [];
    for (const algorithm of await entries(folder))
      for (const hex of await entries(join(folder, algorithm)))
        if (isDigest(`${algorithm}:${hex}`)) found.push(`${algorithm}:${hex}`);
    return found;
  }

  async #alone<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(name) ?? Promise.resolve();
    const mine = before.then(change, change);
    this.#changes.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#changes.get(name) === mine) this.#changes.delete(name);
    }
  }

  #path(name: string): string {
    return join(this.#dir, ...name.split('/'));
  }

  #digestPath(name: string, folder: string, digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#path(name), folder, algorithm, hex);
  }

  #referrerPath(name: string, subject: string, digest: string): string {
    return join(this.#digestPath(name, folders.referrers, subject), `${digest.replace(':', '-')}.json`);
  }

  #tagPath(name: string, tag: string): string {
    return join(this.#path(name), folders.tags, `${tag}.tag`);
  }
}

async function entries(path: string): Promise<string[]> {
  return (await orNothing(readdir(path))) ?? [];
}

/** False when it is not there. */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  return (await orNothing(utimes(path, now, now).then(() => true))) ?? false;
}

async function isThere(path: string): Promise<boolean> {
  return (await orNothing(stat(path))) !== undefined;
}

async function readOrNothing(path: string): Promise<string | undefined> {
  return orNothing(readFile(path, 'utf8'));
}

async function readRecord<T>(path: string): Promise<T | undefined> {
  const text = await readOrNothing(path);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function removeFile(path: string): Promise<boolean> {
  return (await orNothing(rm(path).then(() => true))) ?? false;
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
