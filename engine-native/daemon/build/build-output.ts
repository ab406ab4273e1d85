// What a build says, as Docker's lines of JSON. Stages run at once but read one after another: the first unfinished one is live,
// the others are kept, each up to a limit. Must never make the client's reading speed our memory.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

const maxKeptBytes = 2 * 1024 * 1024;
const maxWithheld = 64 * 1024;
const clippedText = '\n[output clipped: a stage that waited for its turn said more than 2 MiB]\n';

export interface TextSink {
  /** Resolves when more may be written. */
  write(text: string): Promise<void>;
}

/** Writing after the client has gone does nothing. */
export class BuildOutput {
  readonly #response: ServerResponse;
  readonly #quiet: boolean;
  #queue: StageOutput[] = [];
  #withheld = '';

  constructor(response: ServerResponse, quiet: boolean) {
    this.#response = response;
    this.#quiet = quiet;
  }

  get hasBegun(): boolean {
    return this.#response.headersSent || this.#withheld !== '';
  }

  /** Stages in the order in which they are read. */
  arrange(count: number): StageOutput[] {
    this.#queue = Array.from({ length: count }, () => new StageOutput(this));
    void this.#queue[0]?.goLive();
    return [...this.#queue];
  }

  /** Hands the floor to the next stage, if it is this one's turn. */
  async advance(): Promise<void> {
    while (this.#queue[0]?.isDone) {
      this.#queue.shift();
      await this.#queue[0]?.goLive();
    }
  }

  /** Everything that is still kept, in order: before the word about a failure. */
  async flush(): Promise<void> {
    for (const stage of this.#queue) await stage.goLive();
    this.#queue = [];
  }

  async text(text: string): Promise<void> {
    if (this.#quiet) this.#withheld = (this.#withheld + text).slice(-maxWithheld);
    else if (text !== '') await this.json({ stream: text });
  }

  /** What a quiet build did not say, once it has failed: the reason is in it. */
  async tellWithheld(): Promise<void> {
    if (this.#withheld !== '') await this.json({ stream: this.#withheld });
    this.#withheld = '';
  }

  async json(value: object): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/json' });
    if (response.write(`${JSON.stringify(value)}\r\n`)) return;
    await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }

  end(): void {
    this.#response.end();
  }
}

export class StageOutput implements TextSink {
  readonly #output: BuildOutput;
  #kept: string[] = [];
  #keptBytes = 0;
  #isLive = false;
  isDone = false;

  constructor(output: BuildOutput) {
    this.#output = output;
  }

  async write(text: string): Promise<void> {
    if (this.#isLive) return this.#output.text(text);
    if (this.#keptBytes > maxKeptBytes) return;
    this.#keptBytes += text.length;
    this.#kept.push(this.#keptBytes > maxKeptBytes ? clippedText : text);
  }

  async goLive(): Promise<void> {
    const kept = this.#kept.join('');
    this.#kept = [];
    this.#isLive = true;
    await this.#output.text(kept);
  }

  async done(): Promise<void> {
    this.isDone = true;
    await this.#output.advance();
  }
}
