// Names of containers: writes what the networks say into the file that berth-dns answers from, on each change, and keeps berth-dns running.
// Put together by engine.ts. A container's record stands before its program starts; nothing here is waited for.
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@berth/kit/logging.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Networks } from '../networks/networks.ts';
import { ownServers } from './container-resolver.ts';
import { DnsProcess } from './dns-process.ts';
import { recordsText } from './records-text.ts';

interface DnsParts {
  run: string;
  nativeDir: string;
  networks: Networks;
  registry: ContainerRegistry;
  log: Logger;
}

export class Dns {
  readonly #dir: string;
  readonly #parts: DnsParts;
  readonly #process: DnsProcess;
  #written = '';

  constructor(parts: DnsParts) {
    this.#parts = parts;
    this.#dir = join(parts.run, 'dns');
    this.#process = new DnsProcess({ dir: this.#dir, nativeDir: parts.nativeDir, log: parts.log });
  }

  /** Only after recovery: a file without the containers that run would take their names away. */
  start(): void {
    // berth-dns is nobody: it may read this folder, whose parent nobody else may enter.
    mkdirSync(this.#dir, { recursive: true });
    chmodSync(this.#dir, 0o755);
    this.#parts.networks.onChange(() => this.#write());
    this.#write();
    this.#process
      .keepRunning()
      .catch((err: unknown) => this.#parts.log.error({ err }, 'names of containers do not resolve'));
  }

  /** The daemon ends and containers run on: so do their names. */
  release(): void {
    this.#process.release();
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** A name that cannot be written down is no reason to refuse a start. */
  #write(): void {
    const text = this.#text();
    if (text === this.#written) return;
    const file = join(this.#dir, 'records');
    try {
      writeFileSync(`${file}.new`, text, { mode: 0o644 });
      renameSync(`${file}.new`, file);
      this.#written = text;
    } catch (err) {
      this.#parts.log.error({ err }, 'names of containers cannot be written');
    }
  }

  #text(): string {
    const { networks, registry } = this.#parts;
    const names = new Map(networks.list().map(({ id, name }) => [id, name]));
    const view = networks.dnsView().map((one) => ({ ...one, name: names.get(one.networkId) ?? '' }));
    return recordsText(view, (id) => {
      const hostConfig = registry.find(id)?.record.hostConfig;
      return hostConfig ? ownServers(hostConfig) : [];
    });
  }
}
