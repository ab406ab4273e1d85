// Publishes container events with the attributes Docker's clients look for. Used by every file that changes a container.
import type { Events } from '../events.ts';
import type { Container } from './container.ts';

export function publishContainer(
  events: Events,
  container: Container,
  action: string,
  extra: Record<string, string> = {},
  atMs = Date.now(),
): void {
  const { config, imageRef, name } = container.record;
  const attributes = { ...config.Labels, image: imageRef, name, ...extra };
  events.publish('container', action, container.id, attributes, atMs);
}

export function publishNetwork(
  events: Events,
  action: 'connect' | 'disconnect',
  network: { id: string; name: string },
  { id }: Container,
): void {
  events.publish('network', action, network.id, { container: id, name: network.name, type: 'bridge' });
}
