// `docker rmi` by Docker's rules: a name is untagged, and the image goes with its last one; an id takes all its names along when they are one
// repository's. Called by DELETE /images/{name}. Must never remove the image of a running container, force or not.
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Events } from '../events.ts';
import type { Image, ImageStore } from './image-store.ts';
import { shortId } from './progress.ts';
import { familiarName, parseReference, splitReference } from './references.ts';

export type RemovalLine = { Untagged: string } | { Deleted: string };

export interface RemoveParts {
  images: ImageStore;
  registry: ContainerRegistry;
  events: Events;
}

export function removeImage(name: string, force: boolean, parts: RemoveParts): RemovalLine[] {
  const image = parts.images.lookUp(name);
  const isById = image.id === name || image.id.replace('sha256:', '').startsWith(name.replace('sha256:', ''));
  return isById && !parts.images.hasTag(name)
    ? removeById(image, force, parts)
    : removeByName(image, name, force, parts);
}

function removeByName(image: Image, name: string, force: boolean, parts: RemoveParts): RemovalLine[] {
  const { images, registry } = parts;
  const user = registry.list().find(({ record }) => record.imageId === image.id);
  if (!force && user && isOneReference(image, images))
    throw new AppError(
      'conflict',
      `conflict: unable to remove repository reference "${name}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
    );
  const lines = untag(image, name, parts);
  if (images.tagsOf(image.id).length > 0 || images.digestsOf(image.id).length > 0) return lines;
  // Without a name it goes, unless a container still needs it.
  if (user) return lines;
  return [...lines, ...deleteImage(image, parts)];
}

function removeById(image: Image, force: boolean, parts: RemoveParts): RemovalLine[] {
  const { images } = parts;
  checkConflicts(image, force, parts);
  const names = [...images.tagsOf(image.id), ...images.digestsOf(image.id)];
  if (!force && !isOneReference(image, images))
    throw conflict(image, 'must be forced', 'image is referenced in multiple repositories');
  for (const name of names) parts.events.publish('image', 'untag', image.id, { name });
  return [...names.map((Untagged) => ({ Untagged })), ...deleteImage(image, parts)];
}

function untag(image: Image, name: string, { images, events }: RemoveParts): RemovalLine[] {
  const reference = parseReference(name);
  const repository = familiarName(reference);
  const gone: string[] = [];
  if (reference.digest === undefined) gone.push(images.untag(name));
  else gone.push(...images.removeOrigins(image, repository, reference.digest));
  // Digests alone do not keep a repository's image alive.
  const isTagged = images.tagsOf(image.id).some((tag) => splitReference(tag).name === repository);
  if (reference.digest === undefined && !isTagged) gone.push(...images.removeOrigins(image, repository));
  for (const each of gone) events.publish('image', 'untag', image.id, { name: each });
  return gone.map((Untagged) => ({ Untagged }));
}

function checkConflicts(image: Image, force: boolean, { registry }: RemoveParts): void {
  const users = registry.list().filter(({ record }) => record.imageId === image.id);
  const running = users.find((container) => container.isRunning);
  if (running)
    throw conflict(
      image,
      'cannot be forced',
      `image is being used by running container ${shortId(running.id)}`,
    );
  const stopped = users[0];
  if (stopped && !force)
    throw conflict(
      image,
      'must be forced',
      `image is being used by stopped container ${shortId(stopped.id)}`,
    );
}

function conflict(image: Image, can: string, reason: string): AppError {
  return new AppError('conflict', `conflict: unable to delete ${shortId(image.id)} (${can}) - ${reason}`);
}

function deleteImage(image: Image, { images, events }: RemoveParts): RemovalLine[] {
  images.remove(image);
  events.publish('image', 'delete', image.id, { name: image.id });
  return [{ Deleted: image.id }];
}

/** At most one tag, and no other repository's digest. */
function isOneReference({ id }: Image, images: ImageStore): boolean {
  const tags = images.tagsOf(id);
  const repositories = new Set([
    ...tags.map((tag) => splitReference(tag).name),
    ...images.digestsOf(id).map((name) => name.slice(0, name.indexOf('@'))),
  ]);
  return tags.length <= 1 && repositories.size <= 1;
}
