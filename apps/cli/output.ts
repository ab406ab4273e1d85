// Everything `berth` prints: lines, tables, JSON, warnings. Commands get one Output; nothing else writes to stdout.
// A table has colours and short times on a terminal, and is plain text elsewhere.
import { relativeTime } from './relative-time.ts';

export type Cell = string | number | null | { time: string };

export class Output {
  readonly isTerminal: boolean;
  readonly #color: boolean;

  constructor(color: boolean) {
    this.isTerminal = process.stdout.isTTY === true;
    this.#color = color;
    // `berth logs | head`: the reader has what it wants
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  raw(text: string | Uint8Array): void {
    process.stdout.write(text);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** To stderr, in the field's look. */
  warn(text: string): void {
    for (const line of text.split('\n')) process.stderr.write(` !     ${line}\n`);
  }

  /** Progress, to stderr, so that stdout stays clean for pipes. */
  progress(text: string): void {
    process.stderr.write(text);
  }

  table(headers: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const texts = rows.map((row) => row.map((cell) => this.#cell(cell)));
    const widths = headers.map((header, column) =>
      Math.max(header.length, ...texts.map((row) => row[column]?.length ?? 0)),
    );
    this.line(this.dim(joinRow(headers, widths)));
    for (const row of texts) this.line(this.#fit(joinRow(row, widths)));
  }

  /** Names and values, one a line, aligned. */
  fields(pairs: readonly (readonly [string, Cell])[]): void {
    const width = Math.max(...pairs.map(([name]) => name.length)) + 1;
    for (const [name, value] of pairs)
      this.line(`${`${name}:`.padEnd(width)} ${this.#cell(value)}`.trimEnd());
  }

  dim(text: string): string {
    return this.#color ? `\x1b[2m${text}\x1b[22m` : text;
  }

  colored(text: string, number: number): string {
    return this.#color ? `\x1b[${31 + (number % 6)}m${text}\x1b[39m` : text;
  }

  #cell(cell: Cell): string {
    if (cell === null) return '-';
    if (typeof cell !== 'object') return printable(String(cell));
    return this.isTerminal ? relativeTime(cell.time, Date.now()) : cell.time;
  }

  /** A terminal's line stays one line; a pipe gets all of it. */
  #fit(text: string): string {
    const width = this.isTerminal ? process.stdout.columns : 0;
    return width > 0 && text.length > width ? `${text.slice(0, width - 1)}…` : text;
  }
}

/** Text of others (messages, names) must not steer the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
}

function joinRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();
}
