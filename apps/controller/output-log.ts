// The lines that pushers and CLIs follow: appended in order, one append after another within a stream, then the bell is rung.
import type { OutputLine } from '@berth/contract/release.ts';
import type { Database } from '@berth/store/database.ts';
import { appendOutput, outputAfter } from '@berth/store/queries/output.ts';
import type { Bells } from './bells.ts';

export type Ending = Extract<OutputLine, { end: true }>;

/** Lines read at once: bounds memory for a follower that is far behind. */
const pageSize = 500;
/** The rows are read again this often even when no bell rang. */
const reReadMs = 2000;

export class OutputLog {
  readonly #db: Database;
  readonly #bells: Bells;
  readonly #chains = new Map<string, Promise<unknown>>();

  constructor(db: Database, bells: Bells) {
    this.#db = db;
    this.#bells = bells;
  }

  append(outputId: string, texts: string[]): Promise<void> {
    const before = this.#chains.get(outputId) ?? Promise.resolve();
    const work = before.catch(() => {}).then(() => appendOutput(this.#db, outputId, texts));
    this.#chains.set(outputId, work);
    return work.then(() => {
      if (this.#chains.get(outputId) === work) this.#chains.delete(outputId);
      this.ring(outputId);
    });
  }

  ring(outputId: string): void {
    this.#bells.ring(`output ${outputId}`);
  }

  /** How many follow this stream now. */
  followers(outputId: string): number {
    return this.#bells.count(`output ${outputId}`);
  }

  /**
   * Yields the lines after `after` and, when `ending` says how it ended, that as the last line.
   * Without `follow` it stops at the last line there is.
   */
  async *follow(
    outputId: string,
    after: number,
    options: { follow: boolean; ending: () => Promise<Ending | undefined>; signal: AbortSignal },
  ): AsyncGenerator<OutputLine> {
    const watch = this.#bells.watch(`output ${outputId}`);
    let seq = after;
    try {
      while (!options.signal.aborted) {
        const ending = await options.ending(); // before the lines, so that no line written before the end is missed
        const rows = await outputAfter(this.#db, outputId, seq, pageSize);
        for (const row of rows) yield row;
        seq = rows.at(-1)?.seq ?? seq;
        if (rows.length === pageSize) continue;
        if (ending) yield ending;
        if (ending || !options.follow) return;
        await watch.wait(reReadMs, options.signal);
      }
    } finally {
      watch.close();
    }
  }
}
