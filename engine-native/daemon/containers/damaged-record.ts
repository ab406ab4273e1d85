// What stands in for a container whose record cannot be read: it can be seen, stopped and removed, and its files stay until then.
// Called by recovery.
import { AppError } from '@berth/kit/errors.ts';
import { type ContainerRecord, freshLife } from './container-config.ts';
import { parseCreate } from './parse-create.ts';

export function damagedRecord(id: string, stateDir: string): ContainerRecord {
  const { config, hostConfig, networks } = parseCreate({ Image: '' });
  return {
    id,
    name: `damaged-${id.slice(0, 12)}`,
    created: new Date().toISOString(),
    imageId: '',
    imageRef: '',
    layers: [],
    config,
    hostConfig,
    mounts: [],
    networks,
    usernsBase: null,
    damagedIn: stateDir,
    life: { ...freshLife, error: 'the record of this container is damaged' },
  };
}

export function refuseDamaged({ name, damagedIn }: ContainerRecord): void {
  if (damagedIn === undefined) return;
  throw new AppError('conflict', `the record of container "${name}" is damaged`, {
    hint: `what it wrote lies in "${damagedIn}/upper"; remove the container and create it again`,
  });
}
