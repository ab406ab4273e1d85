// Request ids: unique, not guessable, cheap. Called for every request that brings none.
import { randomUUID } from 'node:crypto';

export function newRequestId(): string {
  return randomUUID();
}
