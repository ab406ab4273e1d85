// The desired set on this host's disk, so that a reboot without a control plane starts everything. Holds config vars: 0600 in a 0700 folder.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '@berth/contract/instance.ts';
import { systemCode } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';

/** Changes come in bursts; the disk is told once for each. Starts never wait for it. */
const coalesceMs = 50;

interface DesiredContent {
  format: 1;
  pods: Pod[];
}

export class DesiredFile {
  readonly #dir: string;
  readonly #log: Logger;
  #pods: readonly Pod[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
  }

  /** Empty when there is none yet; one that cannot be read is as none, since the controller sends the whole again. */
  async read(): Promise<Pod[]> {
    try {
      const content = JSON.parse(await readFile(this.#path, 'utf8')) as DesiredContent;
      return content.format === 1 ? content.pods : [];
    } catch (err) {
      if (systemCode(err) !== 'ENOENT') this.#log.warn({ err }, 'desired set on disk cannot be read');
      return [];
    }
  }

  /** Remembers the set and writes it soon. */
  save(pods: Iterable<Pod>): void {
    this.#pods = [...pods];
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, coalesceMs);
  }

  /** Writes what is still waiting. */
  async close(): Promise<void> {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }
    await this.#writing;
  }

  get #path(): string {
    return join(this.#dir, 'desired.json');
  }

  async #write(): Promise<void> {
    const content: DesiredContent = { format: 1, pods: [...this.#pods] };
    const temporary = `${this.#path}.tmp`;
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await rm(temporary, { force: true });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(JSON.stringify(content));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (err) {
      this.#log.error({ err }, 'desired set cannot be written');
    }
  }
}
