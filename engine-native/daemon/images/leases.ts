// What pulls, pushes and loads are using right now, by digest: garbage collection leaves it alone. In memory: work in flight dies with the daemon.

export class Leases {
  readonly #held = new Map<string, number>();

  /** Gives the release; releasing twice does no harm. */
  hold(digests: Iterable<string>): () => void {
    const mine = new Set(digests);
    for (const digest of mine) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    return () => {
      for (const digest of mine) this.#release(digest);
      mine.clear();
    };
  }

  has(digest: string): boolean {
    return this.#held.has(digest);
  }

  #release(digest: string): void {
    const left = (this.#held.get(digest) ?? 1) - 1;
    if (left > 0) this.#held.set(digest, left);
    else this.#held.delete(digest);
  }
}
