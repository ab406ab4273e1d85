// Cuts a command's output into lines fit for a build log. One instance a stream; used by run-container.ts.
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** A longer line is printed in parts: a minified file on one line must not become one message. */
const maxLineChars = 4096;
/** Held back when a line that has not ended is cut: a config var's value of up to this length is never in two parts, where nobody would know it. */
const heldChars = 8192;
const controls = /[\p{Cc}--[\t]]/gv;

export class OutputLines {
  readonly #decoder = new StringDecoder('utf8');
  readonly #mask: (text: string) => string;
  #rest = '';

  /** `mask` hides config vars' values, before a long line is cut. */
  constructor(mask: (text: string) => string) {
    this.#mask = mask;
  }

  push(chunk: Buffer): string[] {
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = parts.pop() ?? '';
    if (this.#rest.length > maxLineChars + heldChars) {
      const masked = this.#mask(shown(this.#rest));
      const cut = Math.max(0, masked.length - heldChars);
      if (cut > 0) parts.push(masked.slice(0, cut));
      this.#rest = masked.slice(cut);
    }
    return parts.flatMap((part) => this.#clean(part));
  }

  end(): string[] {
    const last = this.#rest + this.#decoder.end();
    this.#rest = '';
    return last === '' ? [] : this.#clean(last);
  }

  #clean(raw: string): string[] {
    const text = this.#mask(shown(raw));
    const parts: string[] = [];
    for (let at = 0; at === 0 || at < text.length; at += maxLineChars)
      parts.push(text.slice(at, at + maxLineChars));
    return parts;
  }
}

/** What a terminal would show at the end: after a carriage return the line begins anew; colours and other controls go. */
function shown(raw: string): string {
  const last = raw.replace(/\r+$/, '').split('\r').at(-1) ?? '';
  return stripVTControlCharacters(last).replace(controls, '');
}
