// The answer to a deploy: lines as they come, as newline-delimited JSON, and how it ended. Used by receive-deploy.ts.
import type { ServerResponse } from 'node:http';
import type { AppError } from '@berth/kit/errors.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';
import type { PushEnd } from './follow-push.ts';
import { errorLines } from './push-words.ts';
import { drained, noCache } from './response-stream.ts';

/** Blank lines this often show a quiet build from a dead connection. */
const keepAliveMs = 5000;

export class LineAnswer {
  readonly #response: ServerResponse;
  readonly #keepAlive: NodeJS.Timeout;
  #seq = 0;
  #end: PushEnd | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.writeHead(200, { 'content-type': 'application/x-ndjson', ...noCache });
    response.flushHeaders();
    this.#keepAlive = setInterval(() => {
      if (!response.destroyed) response.write('\n');
    }, keepAliveMs);
    response.on('close', () => clearInterval(this.#keepAlive));
  }

  get hasEnd(): boolean {
    return this.#end !== undefined;
  }

  async line(text: string): Promise<void> {
    if (this.#response.destroyed) return;
    this.#seq += 1;
    if (!this.#response.write(ndjsonLine({ seq: this.#seq, text }))) await drained(this.#response);
  }

  /** The last line; sent when git has ended too. */
  keepEnd(end: PushEnd): void {
    this.#end = end;
  }

  async refuse(error: AppError): Promise<void> {
    for (const line of errorLines(error)) await this.line(line);
    this.#end = { end: true, ok: false, code: error.code, message: error.message, release: null, url: null };
  }

  end(): void {
    clearInterval(this.#keepAlive);
    if (this.#response.destroyed) return;
    if (this.#end) this.#response.write(ndjsonLine(this.#end));
    this.#response.end();
  }
}
