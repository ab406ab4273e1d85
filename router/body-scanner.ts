// Follows a message body to its end and says which of its bytes go on. One for each direction of an exchange; keeps counts, never bytes.
// Must refuse a chunked body that a laxer parser could read differently; chunk extensions and trailers end here.
import { fieldBytes, hexValues, tokenBytes } from './byte-classes.ts';
import { Framing } from './frame-message.ts';

/** States of the chunked grammar (RFC 9112 §7.1). */
const State = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailerStart: 6,
  trailerName: 7,
  trailerValue: 8,
  trailerLf: 9,
  endLf: 10,
} as const;

const cr = 0x0d;
const lf = 0x0a;
const semicolon = 0x3b;
const colon = 0x3a;

/** Thirteen digits stay exact in a double. */
const maxSizeDigits = 13;
/** Extensions and trailers carry nothing for anybody here; more than this is an attack. */
const maxDroppedBytes = 8192;

export class BodyScanner {
  isDone: boolean;
  /** Set when the body breaks its grammar; the connection must end. */
  problem = '';
  /** After scan(): pairs of offsets to pass on, in `rangeCount` entries. */
  readonly ranges: number[] = [];
  rangeCount = 0;
  readonly #framing: number;
  /** Without chunk lines: for a receiver that does not know them (HTTP/1.0). */
  readonly #dataOnly: boolean;
  #left: number;
  #state: number = State.size;
  #digits = 0;
  #dropped = 0;

  constructor(framing: number, length: number, dataOnly: boolean) {
    this.#framing = framing;
    this.#left = length;
    this.#dataOnly = dataOnly;
    this.isDone = framing === Framing.none || (framing === Framing.length && length === 0);
    if (framing === Framing.chunked) this.#left = 0;
  }

  /** The body has no end of its own: the sender closes after it. */
  get endsWithConnection(): boolean {
    return this.#framing === Framing.untilClose;
  }

  /** The receiver sees no end but the connection's. */
  get endsUnmarked(): boolean {
    return this.#dataOnly || this.endsWithConnection;
  }

  /** Takes bytes[from, to); gives the offset after the last byte that belongs to this body. */
  scan(bytes: Uint8Array, from: number, to: number): number {
    this.rangeCount = 0;
    if (this.isDone || from >= to) return from;
    if (this.#framing === Framing.chunked) return this.#scanChunked(bytes, from, to);
    const end = this.#framing === Framing.length ? Math.min(to, from + this.#left) : to;
    this.#left -= end - from;
    if (this.#framing === Framing.length && this.#left === 0) this.isDone = true;
    this.#pass(from, end);
    return end;
  }

  #pass(from: number, to: number): void {
    if (from === to) return;
    if (this.rangeCount > 0 && this.ranges[this.rangeCount - 1] === from) {
      this.ranges[this.rangeCount - 1] = to;
      return;
    }
    this.ranges[this.rangeCount++] = from;
    this.ranges[this.rangeCount++] = to;
  }

  #passLine(from: number, to: number): void {
    if (!this.#dataOnly) this.#pass(from, to);
  }

  #refuse(problem: string, at: number): number {
    this.problem = problem;
    return at;
  }

  #drop(): boolean {
    return ++this.#dropped <= maxDroppedBytes;
  }

  #scanChunked(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#state === State.data) {
        const end = Math.min(to, at + this.#left);
        this.#pass(at, end);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = State.dataCr;
        continue;
      }
      const byte = bytes[at] as number;
      const ok = this.#state <= State.dataLf ? this.#stepChunk(byte, at) : this.#stepTrailer(byte, at);
      if (!ok) return this.#refuse('the chunked body breaks its grammar', at);
      at++;
      if (this.isDone) return at;
    }
    return at;
  }

  #stepChunk(byte: number, at: number): boolean {
    switch (this.#state) {
      case State.size:
        return this.#stepSize(byte, at);
      case State.extension:
        if (byte !== cr) return fieldBytes[byte] === 1 && this.#drop();
        this.#passLine(at, at + 1);
        this.#state = State.sizeLf;
        return true;
      case State.sizeLf:
        this.#passLine(at, at + 1);
        this.#state = this.#left === 0 ? State.trailerStart : State.data;
        this.#digits = 0;
        return byte === lf;
      case State.dataCr:
        this.#passLine(at, at + 1);
        this.#state = State.dataLf;
        return byte === cr;
      default:
        this.#passLine(at, at + 1);
        this.#state = State.size;
        return byte === lf;
    }
  }

  #stepSize(byte: number, at: number): boolean {
    const value = hexValues[byte] as number;
    if (value < 16) {
      this.#left = this.#left * 16 + value;
      this.#passLine(at, at + 1);
      return ++this.#digits <= maxSizeDigits;
    }
    if (this.#digits === 0) return false;
    if (byte === semicolon) {
      this.#state = State.extension;
      return this.#drop();
    }
    this.#passLine(at, at + 1);
    this.#state = State.sizeLf;
    return byte === cr;
  }

  #stepTrailer(byte: number, at: number): boolean {
    switch (this.#state) {
      case State.trailerStart:
        if (byte === cr) {
          this.#passLine(at, at + 1);
          this.#state = State.endLf;
          return true;
        }
        this.#state = State.trailerName;
        return tokenBytes[byte] === 1 && this.#drop();
      case State.trailerName:
        if (byte === colon) this.#state = State.trailerValue;
        else if (tokenBytes[byte] !== 1) return false;
        return this.#drop();
      case State.trailerValue:
        if (byte === cr) this.#state = State.trailerLf;
        else if (fieldBytes[byte] !== 1) return false;
        return this.#drop();
      case State.trailerLf:
        this.#state = State.trailerStart;
        return byte === lf && this.#drop();
      default:
        this.#passLine(at, at + 1);
        this.isDone = byte === lf;
        return this.isDone;
    }
  }
}
