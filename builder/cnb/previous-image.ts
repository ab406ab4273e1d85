// Which image the app's last good build made: the exporter takes unchanged layers over from it, and buildpacks leave them out.
// A record an app; the image itself is kept by the app's releases. Called by build-with-lifecycle.ts.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageDetail } from '@berth/clients/engine-types.ts';

export class PreviousImages {
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = join(dataDir, 'cnb', 'previous');
  }

  async find(engine: Pick<EngineClient, 'inspectImage'>, appId: string): Promise<ImageDetail | undefined> {
    try {
      return await engine.inspectImage(readFileSync(join(this.#dir, appId), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  remember(appId: string, image: string): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const file = join(this.#dir, appId);
    writeFileSync(`${file}.tmp`, image);
    renameSync(`${file}.tmp`, file);
  }
}
