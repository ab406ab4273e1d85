// Cuts a command's output into lines fit for a build log. One instance a stream; used by run-container.ts.
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** A longer line is printed in parts: a minified file on one line must not become one message. */
const maxLineChars = 4096;
const controls = /[\p{Cc}--[\t]]/gv;

export class OutputLines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  push(chunk: Buffer): string[] {
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = parts.pop() ?? '';
    if (this.#rest.length > maxLineChars) {
      parts.push(this.#rest);
      this.#rest = '';
    }
    return parts.flatMap(cleanLine);
  }

  end(): string[] {
    const last = this.#rest + this.#decoder.end();
    this.#rest = '';
    return last === '' ? [] : cleanLine(last);
  }
}

/** What a terminal would show at the end: after a carriage return the line begins anew; colours and other controls go. */
function cleanLine(raw: string): string[] {
  const shown = raw.replace(/\r+$/, '').split('\r').at(-1) ?? '';
  const text = stripVTControlCharacters(shown).replace(controls, '');
  const parts: string[] = [];
  for (let at = 0; at === 0 || at < text.length; at += maxLineChars)
    parts.push(text.slice(at, at + maxLineChars));
  return parts;
}
