// The door to the pods of an engine: loads pod-supervisor.ts when there is a pod or somebody asks for one. Made by engine.ts.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PodParts } from './pod-parts.ts';
import type { PodSupervisor } from './pod-supervisor.ts';

export class Pods {
  readonly #parts: PodParts;
  #supervisor: Promise<PodSupervisor> | undefined;

  constructor(parts: PodParts) {
    this.#parts = parts;
  }

  get(): Promise<PodSupervisor> {
    this.#supervisor ??= this.#load();
    return this.#supervisor;
  }

  /** After the containers were adopted, before the API answers. */
  async recover(): Promise<void> {
    const dir = join(this.#parts.root, 'pods');
    if (existsSync(dir) && readdirSync(dir).length > 0) await this.get();
  }

  async close(): Promise<void> {
    (await this.#supervisor)?.close();
  }

  async #load(): Promise<PodSupervisor> {
    const { PodSupervisor } = await import('./pod-supervisor.ts');
    const supervisor = new PodSupervisor(this.#parts);
    supervisor.recover();
    return supervisor;
  }
}
