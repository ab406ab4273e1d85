// All containers of this engine, found by id, name or the start of an id. Names are unique.
import { AppError } from '@berth/kit/errors.ts';
import type { Container } from './container.ts';

export class ContainerRegistry {
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();

  add(container: Container): void {
    this.checkFree(container.record.name);
    this.#byId.set(container.id, container);
    this.#byName.set(container.record.name, container);
  }

  checkFree(name: string): void {
    const holder = this.#byName.get(name);
    if (holder)
      throw new AppError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${holder.id}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
  }

  rename(container: Container, name: string): void {
    if (name === container.record.name)
      throw new AppError('bad_request', 'Renaming a container with the same name as its current name');
    this.checkFree(name);
    this.#byName.delete(container.record.name);
    container.record.name = name;
    this.#byName.set(name, container);
  }

  delete(container: Container): void {
    this.#byId.delete(container.id);
    this.#byName.delete(container.record.name);
  }

  list(): Container[] {
    return [...this.#byId.values()];
  }

  find(nameOrId: string): Container | undefined {
    const plain = nameOrId.replace(/^\//, '');
    const exact = this.#byId.get(plain) ?? this.#byName.get(plain);
    if (exact || !/^[0-9a-f]{1,63}$/.test(plain)) return exact;
    const starting = this.list().filter(({ id }) => id.startsWith(plain));
    if (starting.length > 1)
      throw new AppError('bad_request', `"${plain}" is the start of several container ids`, {
        hint: 'write more of the id',
      });
    return starting[0];
  }

  get(nameOrId: string): Container {
    const container = this.find(nameOrId);
    if (!container) throw new AppError('not_found', `No such container: ${nameOrId}`);
    return container;
  }
}
