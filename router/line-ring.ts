// The last lines of one app, as bytes: strings that live this long would make the garbage collector move them for every request.
// Owned by the request log. Bounded in lines and bytes; grows only when its owner allows it.

const mostLines = 200;
const firstBytes = 4 * 1024;
export const mostRingBytes = 64 * 1024;

export class LineRing {
  #bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  readonly #starts: Uint32Array = new Uint32Array(mostLines);
  readonly #ends: Uint32Array = new Uint32Array(mostLines);
  /** The place of the oldest line, and how many there are. */
  #first = 0;
  #count = 0;
  #at = 0;

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Adds a latin1 line; `mayGrow`: instead of dropping an old one the ring may double, up to its most. */
  add(line: string, mayGrow: boolean): void {
    const size = Math.min(line.length, firstBytes);
    if (this.#at + size > this.#bytes.length) {
      if (mayGrow && this.#bytes.length < mostRingBytes) this.#grow();
      else this.#wrap();
    }
    const end = this.#at + size;
    while (this.#count > 0 && this.#isOverlapping(this.#at, end)) this.#dropFirst();
    if (this.#count === mostLines) this.#dropFirst();
    this.#bytes.write(line, this.#at, size, 'latin1');
    const place = (this.#first + this.#count++) % mostLines;
    this.#starts[place] = this.#at;
    this.#ends[place] = end;
    this.#at = end;
  }

  /** The last lines, oldest first. */
  last(count: number): string[] {
    const taken = Math.min(count, this.#count);
    return Array.from({ length: taken }, (_, i) => {
      const place = (this.#first + this.#count - taken + i) % mostLines;
      return this.#bytes.toString('latin1', this.#starts[place], this.#ends[place]);
    });
  }

  #isOverlapping(from: number, to: number): boolean {
    return (this.#starts[this.#first] as number) < to && (this.#ends[this.#first] as number) > from;
  }

  #dropFirst(): void {
    this.#first = (this.#first + 1) % mostLines;
    this.#count--;
  }

  /** Goes on at the beginning; lines of the last lap that lie beyond are the oldest and go. */
  #wrap(): void {
    while (this.#count > 0 && (this.#starts[this.#first] as number) >= this.#at) this.#dropFirst();
    this.#at = 0;
  }

  #grow(): void {
    const lines = this.last(this.#count);
    this.#bytes = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
    this.#first = 0;
    this.#count = 0;
    this.#at = 0;
    for (const line of lines) this.add(line, false);
  }
}
