// Images that have no tag and must stay all the same: what the platform made for its releases, and what it said it keeps (POST /berth/prune).
// On disk, so that neither `docker image prune` nor a full disk takes a release's image away after a restart.
import { join } from 'node:path';
import { readJson, writeJson } from '../files.ts';

export class KeptImages {
  readonly #path: string;
  #ids: Set<string>;

  constructor(root: string) {
    this.#path = join(root, 'kept-images.json');
    this.#ids = new Set(readJson<string[]>(this.#path));
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Until the platform says the next time what it keeps. */
  add(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    writeJson(this.#path, [...this.#ids]);
  }

  replace(ids: readonly string[]): void {
    this.#ids = new Set(ids);
    writeJson(this.#path, ids);
  }
}
