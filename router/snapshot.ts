// The last route table on disk, so that a router that starts while the controller is down serves at once.
// Written after a change, read at boot. Must never be half a table: written beside, synced, then renamed.
import { open, readFile, rename } from 'node:fs/promises';
import type { Route, RouteUpdate } from '@berth/contract/route.ts';
import { systemCode } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';

/** A deploy changes the table several times within this time; one write is enough. */
const settleMs = 200;

export interface Snapshot {
  version: number;
  routes: Route[];
}

/** The table on disk, or none when there is no usable one. */
export async function readSnapshot(path: string, log: Logger): Promise<RouteUpdate | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isSnapshot(value)) return { version: value.version, full: true, routes: value.routes };
    log.warn({ path }, 'the route table on disk is not one; starting without');
  } catch (err) {
    if (systemCode(err) !== 'ENOENT')
      log.warn({ err, path }, 'the route table on disk cannot be read; starting without');
  }
  return undefined;
}

function isSnapshot(value: unknown): value is Snapshot {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'number' &&
    'routes' in value &&
    Array.isArray(value.routes) &&
    value.routes.every(isRoute)
  );
}

/** Checked by hand and in full: a wrong route would fail at a visitor's request, not here. */
export function isRoute(value: unknown): value is Route {
  if (typeof value !== 'object' || value === null) return false;
  const route = value as Partial<Record<keyof Route, unknown>>;
  return (
    typeof route.host === 'string' &&
    typeof route.app === 'string' &&
    typeof route.state === 'string' &&
    Array.isArray(route.targets) &&
    route.targets.every(isTarget)
  );
}

function isTarget(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'instance' in value &&
    typeof value.instance === 'string' &&
    'address' in value &&
    typeof value.address === 'string' &&
    'port' in value &&
    typeof value.port === 'number'
  );
}

/** Writes the table some time after each change, one write at a time. */
export class SnapshotWriter {
  readonly #path: string;
  readonly #current: () => Snapshot;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(path: string, current: () => Snapshot, log: Logger) {
    this.#path = path;
    this.#current = current;
    this.#log = log;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.write();
    }, settleMs);
  }

  async write(): Promise<void> {
    await this.#writing;
    this.#writing = this.#replace().catch((err: unknown) =>
      this.#log.warn({ err, path: this.#path }, 'the route table cannot be kept on disk'),
    );
    await this.#writing;
  }

  async close(): Promise<void> {
    const isDue = this.#timer !== undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (isDue) await this.write();
    await this.#writing;
  }

  async #replace(): Promise<void> {
    const beside = `${this.#path}.new`;
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(this.#current()));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
  }
}
