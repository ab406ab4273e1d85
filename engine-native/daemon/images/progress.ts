// The JSON lines that pull, push, load and import answer with, as Docker's clients draw them. Used by the image routes.
// The answer's head goes out with the first line: what fails before it gets a status code of its own.
import type { ServerResponse } from 'node:http';
import { asAppError, systemCode } from '@berth/kit/errors.ts';

const drawEveryMs = 100; // a terminal shows no more, and a slow reader must not pile up lines in memory

export class Progress {
  readonly #response: ServerResponse;
  readonly #drawnAtMs = new Map<string, number>();
  readonly #isQuiet: boolean;

  constructor(response: ServerResponse, isQuiet = false) {
    this.#response = response;
    this.#isQuiet = isQuiet;
  }

  /** A line of its own; `id` names the layer or the tag it is about. */
  status(status: string, id?: string): void {
    if (!this.#isQuiet) this.write({ status, ...(id === undefined ? {} : { id, progressDetail: {} }) });
  }

  /** A line that says no more than text: without the empty `progressDetail` of a layer. */
  message(status: string, id?: string): void {
    if (!this.#isQuiet) this.write({ status, ...(id === undefined ? {} : { id }) });
  }

  bar(id: string, status: string, current: number, total: number): void {
    if (this.#isQuiet) return;
    const key = `${id} ${status}`;
    const nowMs = performance.now();
    if (nowMs - (this.#drawnAtMs.get(key) ?? -drawEveryMs) < drawEveryMs && current < total) return;
    this.#drawnAtMs.set(key, nowMs);
    this.write({ status, progressDetail: { current, total }, id });
  }

  write(line: object): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, { 'Content-Type': 'application/json' });
    if (!this.#response.destroyed) this.#response.write(`${JSON.stringify(line)}\r\n`);
  }

  end(): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, { 'Content-Type': 'application/json' });
    this.#response.end();
  }

  /** After the first line an error is a line too; before it, it is thrown and becomes a status. */
  fail(error: unknown): void {
    if (!this.#response.headersSent) throw error;
    const { message, hint } = asAppError(error);
    const text =
      systemCode(error) === 'ENOSPC'
        ? 'no space left on device (free some space on the disk of the engine, then try again)'
        : hint === undefined
          ? message
          : `${message} (${hint})`;
    this.write({ errorDetail: { message: text }, error: text });
    this.#response.end();
  }
}

/** Twelve digits, as every line shows them. */
export function shortId(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
