// Ids of rows: 16 hex digits from the system's generator. Short enough for container names, long enough never to meet twice.
import { randomBytes } from 'node:crypto';

export function newId(): string {
  return randomBytes(8).toString('hex');
}
