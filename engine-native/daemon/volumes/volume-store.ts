// Volumes on disk: ROOT/volumes/<name>/{volume.json,_data}. Made by the API and by container creation; who uses one is asked of the containers' records.
// Must never remove the files of a volume that a container names, nor lose files because a record is damaged.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Events } from '../events.ts';
import { readJsonTwin, writeJsonTwice } from '../files.ts';
import type { Helper } from '../runtime/helper.ts';
import { anonymousLabel, type VolumeRecord } from './volume.ts';
import { checkVolumeName } from './volume-name.ts';
import { parseVolumeOptions } from './volume-options.ts';

export interface VolumeStoreParts {
  root: string;
  helper: Helper;
  registry: ContainerRegistry;
  events: Events;
  log: Logger;
}

export interface NewVolume {
  /** "" = a random one, and the volume counts as anonymous. */
  name: string;
  driver: string;
  options: Record<string, string>;
  labels: Record<string, string>;
}

export class VolumeStore {
  readonly #dir: string;
  readonly #parts: VolumeStoreParts;
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Containers that run or are being started with a memory-backed volume, by its name. */
  readonly #holders = new Map<string, Set<string>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: VolumeStoreParts) {
    this.#parts = parts;
    this.#dir = join(parts.root, 'volumes');
    // Nobody but root passes: programs of users with their set-user-id bits lie in there (CVE-2021-41091).
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
  }

  /** Finds every volume again. A folder without a readable record keeps its files and gets a plain one. */
  load(): void {
    for (const name of readdirSync(this.#dir)) {
      if (name.startsWith('.')) {
        void this.#discard(join(this.#dir, name));
        continue;
      }
      const record = readJsonTwin<VolumeRecord>(this.#recordFile(name));
      if (!record) this.#parts.log.warn({ volume: name }, 'volume record is damaged, its files are kept');
      const fallback = { name, created: new Date().toISOString(), labels: {}, options: {} };
      this.#volumes.set(name, record?.name === name ? record : fallback);
      mkdirSync(this.mountpoint(name), { recursive: true });
      if (existsSync(this.#fillMark(name))) this.#empty(name);
    }
  }

  /** A volume is filled or empty: what is half full would count as its user's own, and never be filled again. */
  async filling(name: string, work: () => Promise<void>): Promise<void> {
    writeFileSync(this.#fillMark(name), '');
    try {
      await work();
      rmSync(this.#fillMark(name), { force: true });
    } catch (error) {
      if (this.#volumes.has(name)) this.#empty(name);
      throw error;
    }
  }

  #empty(name: string): void {
    const grave = join(this.#dir, `.dead-${randomBytes(8).toString('hex')}`);
    mkdirSync(grave, { mode: 0o700 });
    renameSync(this.mountpoint(name), join(grave, '_data'));
    mkdirSync(this.mountpoint(name), { mode: 0o755 });
    rmSync(this.#fillMark(name), { force: true });
    void this.#discard(grave);
  }

  list(): VolumeRecord[] {
    return [...this.#volumes.values()];
  }

  find(name: string): VolumeRecord | undefined {
    return this.#volumes.get(name);
  }

  get(name: string): VolumeRecord {
    const record = this.#volumes.get(name);
    if (!record) throw new AppError('not_found', `get ${name}: no such volume`);
    return record;
  }

  /** Where its files are on the host, as inspect shows it. `name` is one that checkVolumeName passed. */
  mountpoint(name: string): string {
    return join(this.#dir, name, '_data');
  }

  /** The volume of that name, made when it is missing. As in Docker, an existing one is given back as it is. */
  create({ name, driver, options, labels }: NewVolume): VolumeRecord {
    if (driver !== '' && driver !== 'local')
      throw new AppError(
        'not_found',
        `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    const chosen = name === '' ? randomBytes(32).toString('hex') : checkVolumeName(name);
    const known = this.#volumes.get(chosen);
    if (known) return known;
    parseVolumeOptions(options);
    const mark = name === '' ? { [anonymousLabel]: '' } : {};
    const record: VolumeRecord = {
      name: chosen,
      created: new Date().toISOString(),
      labels: { ...labels, ...mark },
      options,
    };
    this.#write(record, name !== '');
    this.#volumes.set(chosen, record);
    this.#parts.events.publish('volume', 'create', chosen, { driver: 'local' });
    return record;
  }

  /** Ids of the containers that name it, running or not. */
  usersOf(name: string): string[] {
    return this.#parts.registry
      .list()
      .filter(({ record }) => (record.mounts ?? []).some(({ volume }) => volume === name))
      .map(({ id }) => id);
  }

  remove(name: string): void {
    this.get(name);
    const users = this.usersOf(name);
    if (users.length > 0)
      throw new AppError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
    const grave = join(this.#dir, `.dead-${randomBytes(8).toString('hex')}`);
    renameSync(join(this.#dir, name), grave); // gone in one step, whatever happens to the slow removal
    this.#volumes.delete(name);
    this.#parts.events.publish('volume', 'destroy', name, { driver: 'local' });
    void this.#discard(grave);
  }

  /** Bytes on disk; what an option of the volume put elsewhere is not its own. */
  async usage(name: string): Promise<number> {
    if (parseVolumeOptions(this.get(name).options).kind === 'bind') return 0;
    return (await this.#parts.helper.usage(this.mountpoint(name))).bytes;
  }

  isEmpty(name: string): boolean {
    return readdirSync(this.mountpoint(name)).length === 0;
  }

  hold(name: string, containerId: string): void {
    const holders = this.#holders.get(name) ?? new Set();
    this.#holders.set(name, holders.add(containerId));
  }

  letGo(name: string, containerId: string): void {
    this.#holders.get(name)?.delete(containerId);
  }

  isHeld(name: string): boolean {
    return (this.#holders.get(name)?.size ?? 0) > 0;
  }

  /** Mounts and unmounts of volumes one after another: a mount must never be met by the unmount of the run before. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => {});
    return next;
  }

  #write(record: VolumeRecord, durable: boolean): void {
    const dir = join(this.#dir, record.name);
    try {
      mkdirSync(join(dir, '_data'), { recursive: true, mode: 0o755 });
      writeJsonTwice(this.#recordFile(record.name), record, durable);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true }); // a full disk must not leave half a volume
      throw error;
    }
  }

  #fillMark(name: string): string {
    return join(this.#dir, name, 'filling');
  }

  #recordFile(name: string): string {
    return join(this.#dir, name, 'volume.json');
  }

  async #discard(dir: string): Promise<void> {
    try {
      // Memory of a run that has just ended moved along with its folder, and would be left mounted.
      await this.inTurn(() => this.#parts.helper.unmount(join(dir, '_data')));
      await this.#parts.helper.remove(dir);
    } catch (err) {
      this.#parts.log.warn({ err, dir }, 'folder of a removed volume stays until the next start');
    }
  }
}

/** The folder or file of the host that a volume's mount shows; a device that is missing is said in Docker's words. */
export function volumeSource(record: VolumeRecord, mountpoint: string): string {
  const backing = parseVolumeOptions(record.options);
  if (backing.kind !== 'bind') return mountpoint;
  if (statSync(backing.device, { throwIfNoEntry: false })) return backing.device;
  throw new AppError(
    'bad_request',
    `failed to mount local volume: mount ${backing.device}:${mountpoint}: no such file or directory`,
  );
}
