// Where a container's files lie (PROTOCOL.md, "Folders") and how its record is kept. Everything that touches those folders from Node is here.
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFolder, overwriteJson, readJson, writeJson } from '../files.ts';
import type { Endpoint, PublishedPort } from '../networks/endpoint.ts';
import type { ExitRecord } from '../runtime/shim.ts';
import type { ContainerRecord, LifeRecord } from './container-config.ts';

/** Written before a start and gone after the end: its presence says that a shim runs, is starting, or has died. */
export interface RunRecord {
  endpoints?: Endpoint[];
  ports?: PublishedPort[];
  /** Of a daemon that knew one network a container. */
  endpoint?: Endpoint;
  startedAt: string;
  /** A commit holds it still; whoever finds it so lets it go on. */
  isPausedForCommit?: boolean;
  /** What config.json says, for the day when that is damaged. */
  record?: ContainerRecord;
}

const retiredPrefix = '.retired-';

export class ContainerFiles {
  readonly #stateRoot: string;
  readonly #runRoot: string;
  #retired = 0;

  constructor(root: string, run: string) {
    this.#stateRoot = join(root, 'containers');
    this.#runRoot = join(run, 'containers');
    makePrivateFolder(this.#stateRoot);
    mkdirSync(this.#runRoot, { recursive: true, mode: 0o700 });
  }

  stateDir(id: string): string {
    return join(this.#stateRoot, id);
  }

  runDir(id: string): string {
    return join(this.#runRoot, id);
  }

  logPath(id: string): string {
    return join(this.#stateRoot, id, 'log', 'current');
  }

  create(record: ContainerRecord): void {
    const dir = this.stateDir(record.id);
    try {
      mkdirSync(dir, { mode: 0o700 });
      mkdirSync(join(dir, 'upper'), { mode: 0o755 });
      mkdirSync(join(dir, 'work'), { mode: 0o700 });
      mkdirSync(join(dir, 'log'), { mode: 0o700 });
      this.save(record);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true }); // a full disk must not leave half a container
      throw error;
    }
  }

  save(record: ContainerRecord): void {
    writeJson(join(this.stateDir(record.id), 'config.json'), record);
    this.updateRun(record.id, { record });
  }

  /** Keeps what has just happened to a container. A start and an end pay for one small write. */
  saveLife(record: ContainerRecord): void {
    try {
      overwriteJson(join(this.stateDir(record.id), 'life.json'), record.life);
    } catch {
      // its folder was removed meanwhile, or the disk is full: the shim's own records stand
    }
  }

  /** Ids of every state folder; unreadable ones have no record. */
  loadAll(): { id: string; record: ContainerRecord | undefined }[] {
    return readdirSync(this.#stateRoot).map((id) => ({ id, record: this.#load(id) }));
  }

  /** What the program wrote lies there, or it runs: not a create that was cut short. */
  hasContent(id: string): boolean {
    try {
      return this.runRecord(id) !== undefined || readdirSync(join(this.stateDir(id), 'upper')).length > 0;
    } catch {
      return false;
    }
  }

  /** The folders that a start needs; a commit that was cut short took one of them away. */
  completeFolders(id: string): void {
    mkdirSync(join(this.stateDir(id), 'upper'), { recursive: true, mode: 0o755 });
    for (const name of ['work', 'log'])
      mkdirSync(join(this.stateDir(id), name), { recursive: true, mode: 0o700 });
  }

  #load(id: string): ContainerRecord | undefined {
    const kept = readJson<ContainerRecord>(join(this.stateDir(id), 'config.json'));
    const record = kept?.id === id ? kept : this.runRecord(id)?.record;
    if (record && record !== kept) this.save(record);
    const life = readJson<LifeRecord>(join(this.stateDir(id), 'life.json'));
    return record && life ? { ...record, life } : record;
  }

  runIds(): string[] {
    const names = readdirSync(this.#runRoot);
    for (const name of names.filter((one) => one.startsWith(retiredPrefix)))
      rmSync(join(this.#runRoot, name), { recursive: true, force: true });
    return names.filter((name) => !name.startsWith(retiredPrefix));
  }

  /** A clean RUN folder for a new start; an old exit record must not be taken for the new run's. */
  prepareRun(id: string, run: RunRecord): void {
    rmSync(this.runDir(id), { recursive: true, force: true });
    rmSync(join(this.stateDir(id), 'exit.json'), { force: true });
    mkdirSync(this.runDir(id), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.runDir(id), 'run.json'), JSON.stringify(run));
  }

  runRecord(id: string): RunRecord | undefined {
    return readJson<RunRecord>(join(this.runDir(id), 'run.json'));
  }

  /** Networks, ports or settings of a container that runs have changed. */
  updateRun(id: string, change: Partial<RunRecord>): void {
    const run = this.runRecord(id);
    if (run) writeJson(join(this.runDir(id), 'run.json'), { ...run, ...change });
  }

  /** Gone at once for everybody who looks; its files go when nobody waits. */
  clearRun(id: string): void {
    const retired = join(this.#runRoot, `${retiredPrefix}${process.pid}-${this.#retired++}`);
    try {
      renameSync(this.runDir(id), retired);
    } catch {
      return; // it never started
    }
    setImmediate(() => rmSync(retired, { recursive: true, force: true }));
  }

  /** What the shim wrote about the end of the latest run, if it did. */
  exitRecord(id: string): ExitRecord | undefined {
    return (
      readJson<ExitRecord>(join(this.runDir(id), 'exit.json')) ??
      readJson<ExitRecord>(join(this.stateDir(id), 'exit.json'))
    );
  }

  writeEtc(id: string, files: { hosts: string; hostname: string; resolv: string }): void {
    const dir = this.stateDir(id);
    writeFileSync(join(dir, 'hosts'), files.hosts, { mode: 0o644 });
    writeFileSync(join(dir, 'hostname'), `${files.hostname}\n`, { mode: 0o644 });
    writeFileSync(join(dir, 'resolv.conf'), files.resolv, { mode: 0o644 });
  }

  /** Moves a state folder out of sight in one step; the slow removal of the result is the caller's. */
  bury(id: string): string {
    const grave = join(this.#stateRoot, `.dead-${id}`);
    renameSync(this.stateDir(id), grave);
    return grave;
  }
}
