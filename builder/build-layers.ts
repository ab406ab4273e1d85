// Keeps the engine from dropping what an app was built with and does not carry: compilers, modules, development packages. One small file an app.
// Called by build-with-drivers.ts and by the pruning. Losing a file costs one build its time, nothing else.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { baseImageConfig } from './image.ts';

/** An app that nobody pushes for so long gets its compilers anew. */
const forgottenAfterMs = 14 * 24 * 3600_000;
const imagePattern = /^sha256:[0-9a-f]{64}$/;

export class BuildLayers {
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = join(dataDir, 'build-layers');
  }

  /** Takes the place of what the app's last build used. An image holds the layers; nothing runs it. */
  async keep(
    engine: Pick<EngineClient, 'makeImage'>,
    app: { appId: string; arch: 'x64' | 'arm64' },
    layers: readonly string[],
  ): Promise<void> {
    if (layers.length === 0) return;
    const image = await engine.makeImage({ config: baseImageConfig(app.arch), layers });
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const file = join(this.#dir, app.appId);
    writeFileSync(`${file}.tmp`, image);
    renameSync(`${file}.tmp`, file);
  }

  /** Images that must stay while apps are pushed to; the files of others go. */
  images(now = Date.now()): string[] {
    return this.#files().flatMap((file) => {
      if (now - statSync(file).mtimeMs > forgottenAfterMs) {
        rmSync(file, { force: true });
        return [];
      }
      const image = readFileSync(file, 'utf8').trim();
      return imagePattern.test(image) ? [image] : [];
    });
  }

  #files(): string[] {
    try {
      return readdirSync(this.#dir).flatMap((name) => (name.endsWith('.tmp') ? [] : [join(this.#dir, name)]));
    } catch {
      return []; // no app has needed any
    }
  }
}
