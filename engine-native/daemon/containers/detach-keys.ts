// Watches a terminal client's input for the keys that end its session without ending the program (ctrl-p,ctrl-q unless told otherwise), and
// takes them out of it. Used by attach and exec with a terminal. Keys that only begin like the sequence reach the program.
import { Transform, type TransformCallback } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';

export const defaultDetachKeys = 'ctrl-p,ctrl-q';

const controls: Record<string, number> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** `ctrl-p,ctrl-q`, `a,b`: letters, and ctrl- with a letter or one of @ [ \ ] ^ _. */
export function parseDetachKeys(text: string): Buffer {
  const keys = text === '' ? defaultDetachKeys : text;
  return Buffer.from(keys.split(',').map((key) => keyCode(key, keys)));
}

function keyCode(key: string, all: string): number {
  const control = /^ctrl-(.)$/.exec(key.toLowerCase())?.[1];
  if (control !== undefined) {
    const code = /[a-z]/.test(control) ? control.charCodeAt(0) - 96 : controls[control];
    if (code !== undefined) return code;
  } else if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
  throw new AppError('bad_request', `Invalid detach keys (${all}) provided`);
}

export class DetachFilter extends Transform {
  readonly #keys: Buffer;
  readonly #onDetach: () => void;
  /** How many keys of the sequence have come. */
  #matched = 0;

  constructor(keys: Buffer, onDetach: () => void) {
    super();
    this.#keys = keys;
    this.#onDetach = onDetach;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched < this.#keys.length) continue;
        this.#matched = 0;
        this.#pass(passed);
        this.#onDetach();
        done();
        return;
      }
      passed.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) passed.push(byte);
    }
    this.#pass(passed);
    done();
  }

  #pass(bytes: number[]): void {
    if (bytes.length > 0) this.push(Buffer.from(bytes));
  }
}
