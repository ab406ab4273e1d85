// The shape of a subcommand of berth-engine. Each file of this folder exports one; command-table.ts names them.

export interface OptionSpec {
  type: 'string' | 'boolean';
  about: string;
  /** What stands for the value in help. */
  value?: string;
  /** One letter. */
  short?: string;
  multiple?: boolean;
}

export interface Command {
  summary: string;
  /** Behind the name: `FILE`. */
  usage: string;
  options: Record<string, OptionSpec>;
  /** Least and most positional arguments. */
  positionals: readonly [number, number];
  /** Resolves when it is done, or never: `serve` ends with a signal. */
  run: (input: Input) => Promise<void>;
}

export interface Input {
  args: string[];
  options: Record<string, string | boolean | (string | boolean)[] | undefined>;
}

export function text({ options }: Input, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

export function list({ options }: Input, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.map(String) : [];
}
