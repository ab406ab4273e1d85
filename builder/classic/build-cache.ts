// CACHE_DIR of an app: a layer below the next build's container, replaced only after a build that succeeded. Also what keeps the engine
// from dropping it and the layers that were made for it. Called by build-with-buildpacks.ts and by the pruning.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from '@berth/clients/engine-client.ts';

/** An app that nobody pushes for so long builds without what it kept. */
const forgottenAfterMs = 30 * 24 * 3600_000;

interface Kept {
  /** Holds the layers in the engine; nothing runs it. */
  image: string;
  diffId: string;
}

export class BuildCache {
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = join(dataDir, 'classic');
  }

  /** The layer with what the app's last good build kept, if the engine still has it. */
  async find(engine: Pick<EngineClient, 'hasLayer'>, appId: string): Promise<string | undefined> {
    const kept = this.#read(appId);
    return kept && (await engine.hasLayer(kept.diffId)) ? kept.diffId : undefined;
  }

  remember(appId: string, kept: Kept): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const file = this.#file(appId);
    writeFileSync(`${file}.tmp`, JSON.stringify(kept));
    renameSync(`${file}.tmp`, file);
  }

  /** Images that must stay while apps are pushed to; the records of others go. */
  images(now = Date.now()): string[] {
    return this.#apps().flatMap((appId) => {
      const file = this.#file(appId);
      if (now - statSync(file).mtimeMs > forgottenAfterMs) rmSync(file, { force: true });
      return this.#read(appId)?.image ?? [];
    });
  }

  #apps(): string[] {
    try {
      return readdirSync(this.#dir).flatMap((name) => /^(.+)\.json$/.exec(name)?.[1] ?? []);
    } catch {
      return [];
    }
  }

  #read(appId: string): Kept | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(appId), 'utf8')) as Kept;
    } catch {
      return undefined;
    }
  }

  #file(appId: string): string {
    return join(this.#dir, `${appId}.json`);
  }
}
