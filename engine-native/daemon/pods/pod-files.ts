// The records of pods: ROOT/pods/<name>.json, each replaced as a whole and synced before anything depends on it.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, replaceFile } from '../files.ts';
import type { PodRecord } from './pod.ts';

export class PodFiles {
  readonly #dir: string;

  constructor(root: string) {
    this.#dir = join(root, 'pods');
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
  }

  /** A record that cannot be read is left where it is; its containers stay, as containers. */
  loadAll(): PodRecord[] {
    return readdirSync(this.#dir)
      .filter((name) => name.endsWith('.json'))
      .map((name) => readJson<PodRecord>(join(this.#dir, name)))
      .filter((record) => record !== undefined);
  }

  save(record: PodRecord): void {
    replaceFile(this.#file(record), `${JSON.stringify(record)}\n`, true);
  }

  remove(record: PodRecord): void {
    rmSync(this.#file(record), { force: true });
  }

  #file({ spec }: PodRecord): string {
    return join(this.#dir, `${spec.name}.json`);
  }
}
