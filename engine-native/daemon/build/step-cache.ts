// What each step of earlier builds gave, by a key of everything that went into it: ROOT/build-cache/steps/<key>.json.
// The key is a chain: whatever differs in a step makes all later keys differ too. Must never give a layer that is not in the store.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from '../files.ts';
import { canonicalJson } from '../images/image-config.ts';
import type { LayerStore } from '../images/layer-store.ts';

export interface StepResult {
  /** The layer the step made, if it made one. */
  layer?: string;
  /** RFC 3339: a cached build gives the very same image. */
  created: string;
}

const maxSteps = 20_000; // a few hundred bytes each
const keptMs = 30 * 24 * 3600 * 1000;

/** Key of a step on top of another. `facts` must hold all that decides what the step gives. */
export function chainKey(parent: string, facts: object): string {
  return createHash('sha256').update(parent).update('\n').update(canonicalJson(facts)).digest('hex');
}

export class StepCache {
  readonly #dir: string;
  readonly #layers: LayerStore;

  constructor(root: string, layers: LayerStore) {
    this.#dir = join(root, 'build-cache', 'steps');
    this.#layers = layers;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
  }

  find(key: string): StepResult | undefined {
    const path = this.#path(key);
    const result = readJson<StepResult>(path);
    if (!result) return undefined;
    if (result.layer !== undefined && !this.#layers.has(result.layer)) {
      rmSync(path, { force: true });
      return undefined;
    }
    touch(path);
    return result;
  }

  keep(key: string, result: StepResult): void {
    writeJson(this.#path(key), result);
  }

  /** Layers that a later build may take again. */
  layers(): Set<string> {
    const found = this.#files().map(({ path }) => readJson<StepResult>(path)?.layer);
    return new Set(found.filter((layer) => layer !== undefined));
  }

  /** Forgets what was not used for a month, and the oldest beyond the limit. */
  trim(nowMs = Date.now()): void {
    const files = this.#files().sort((a, b) => b.usedMs - a.usedMs);
    for (const [index, { path, usedMs }] of files.entries())
      if (index >= maxSteps || nowMs - usedMs > keptMs) rmSync(path, { force: true });
  }

  /** Forgets everything; how many steps it was. */
  clear(): number {
    const files = this.#files();
    for (const { path } of files) rmSync(path, { force: true });
    return files.length;
  }

  #files(): { path: string; usedMs: number }[] {
    return readdirSync(this.#dir).flatMap((name) => {
      const path = join(this.#dir, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat ? [{ path, usedMs: stat.mtimeMs }] : [];
    });
  }

  #path(key: string): string {
    return join(this.#dir, `${key}.json`);
  }
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // trimmed meanwhile: the result in hand is good all the same
  }
}
