// How far an upload is: a bar that moves on a terminal, one line elsewhere. To stderr. Used by `berth deploy`.
import type { Output } from './output.ts';

const barWidth = 24;
/** Faster than eyes is a waste. */
const everyMs = 100;

export class UploadProgress {
  readonly #output: Output;
  readonly #what: string;
  readonly #bytes: number;
  readonly #isTerminal: boolean;
  #sent = 0;
  #drawnAt = 0;

  constructor(output: Output, upload: { what: string; bytes: number }) {
    this.#output = output;
    this.#what = upload.what;
    this.#bytes = upload.bytes;
    this.#isTerminal = process.stderr.isTTY === true;
    const line = `-----> Uploading ${this.#what} (${megabytes(this.#bytes)})`;
    output.progress(`${line}\n`);
  }

  add(bytes: number): void {
    this.#sent += bytes;
    const now = performance.now();
    if (!this.#isTerminal || now - this.#drawnAt < everyMs) return;
    this.#drawnAt = now;
    const share = this.#bytes === 0 ? 1 : Math.min(1, this.#sent / this.#bytes);
    const bar = '='.repeat(Math.round(share * barWidth)).padEnd(barWidth);
    this.#output.progress(`\r       [${bar}] ${Math.floor(share * 100)} %  ${megabytes(this.#sent)}`);
  }

  /** The bar goes: what follows are the platform's lines. */
  end(): void {
    if (this.#isTerminal && this.#drawnAt > 0) this.#output.progress('\r\x1b[K');
  }
}

function megabytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
