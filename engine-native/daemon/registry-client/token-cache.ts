// Bearer tokens until they expire, in memory only. One for the whole engine, so that pulls one after another ask for few.
// Imports nothing: an idle daemon holds it without holding a client.

const maxTokens = 256; // beyond that the oldest is asked for again

/** Tokens by registry, credentials and scope. Kept in memory only. */
export class TokenCache {
  readonly #tokens = new Map<string, { token: string; expiresAtMs: number }>();

  find(key: string, nowMs = Date.now()): string | undefined {
    const entry = this.#tokens.get(key);
    if (entry && entry.expiresAtMs > nowMs) return entry.token;
    this.#tokens.delete(key);
    return undefined;
  }

  keep(key: string, token: string, expiresAtMs: number): void {
    const oldest = this.#tokens.keys().next().value;
    if (this.#tokens.size >= maxTokens && oldest !== undefined) this.#tokens.delete(oldest);
    this.#tokens.set(key, { token, expiresAtMs });
  }

  forget(key: string): void {
    this.#tokens.delete(key);
  }
}
