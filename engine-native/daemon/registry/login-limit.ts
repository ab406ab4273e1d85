// Slows down guessing: after so many failed logins within a minute, further ones wait. Asked by the token endpoint.
import { RegistryError } from './registry-error.ts';

const windowMs = 60_000; // a person who mistypes is not shut out for long
const maxKeys = 10_000; // many addresses at once must not fill the memory: the oldest are forgotten

interface Failures {
  count: number;
  sinceMs: number;
}

export class LoginLimit {
  readonly #failures = new Map<string, Failures>();
  readonly #maxFailures: number;
  readonly #now: () => number;

  constructor(maxFailures: number, now: () => number = Date.now) {
    this.#maxFailures = maxFailures;
    this.#now = now;
  }

  /** Throws `TOOMANYREQUESTS` when this address or user has failed too often. */
  check(key: string): void {
    const found = this.#current(key);
    if (!found || found.count < this.#maxFailures) return;
    const seconds = Math.ceil((found.sinceMs + windowMs - this.#now()) / 1000);
    throw new RegistryError('TOOMANYREQUESTS', 'too many failed logins, wait a minute', {
      headers: { 'Retry-After': String(seconds) },
    });
  }

  failed(key: string): void {
    const { count, sinceMs } = this.#current(key) ?? { count: 0, sinceMs: this.#now() };
    this.#failures.delete(key);
    this.#failures.set(key, { count: count + 1, sinceMs });
    if (this.#failures.size > maxKeys) this.#failures.delete(this.#failures.keys().next().value ?? '');
  }

  #current(key: string): Failures | undefined {
    const found = this.#failures.get(key);
    if (!found || this.#now() - found.sinceMs < windowMs) return found;
    this.#failures.delete(key);
    return undefined;
  }
}
