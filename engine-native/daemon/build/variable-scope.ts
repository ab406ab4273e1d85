// Which ARGs and ENVs an instruction sees: global, stage, predefined. ENV beats ARG. Pure; one scope a stage, one for FROM lines.
// https://docs.docker.com/reference/dockerfile/#arg
import { AppError } from '@berth/kit/errors.ts';
import type { ArgInstruction } from './language/instruction.ts';
import { oneLine } from './language/parse-error.ts';
import { type ExpandOptions, expandWord, expandWords } from './language/words.ts';

/** Usable without a declaration; in no cache key and no history, so that a proxy's login stays out of images. */
const predefined = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

export interface BuildVariables {
  buildArgs: Record<string, string | undefined>;
  /** TARGETPLATFORM and its kin. */
  platform: Record<string, string>;
  escapeToken: string;
  /** Names of build arguments that some ARG declared or a proxy uses. */
  consumed: Set<string>;
}

export class VariableScope {
  readonly #variables: BuildVariables;
  readonly #declared: Map<string, string | undefined>;
  readonly #globals: ReadonlyMap<string, string | undefined>;

  constructor(
    variables: BuildVariables,
    globals: ReadonlyMap<string, string | undefined> = new Map(),
    declared = new Map<string, string | undefined>(),
  ) {
    this.#variables = variables;
    this.#globals = globals;
    this.#declared = declared;
  }

  get values(): ReadonlyMap<string, string | undefined> {
    return this.#declared;
  }

  /** A stage built on another one sees what that one declared. */
  inherited(): VariableScope {
    return new VariableScope(this.#variables, this.#globals, new Map(this.#declared));
  }

  declare({ pairs, line }: ArgInstruction, env: readonly string[]): void {
    for (const { name: rawName, value } of pairs) {
      const name = this.expand(rawName, env, line);
      const given = this.#given(name);
      const fallback = value === undefined ? this.#outer(name) : this.expand(value, env, line);
      if (given !== undefined) this.#variables.consumed.add(name);
      this.#declared.set(name, given ?? fallback);
    }
  }

  /** What a RUN finds in its environment besides ENV, `NAME=value`, sorted; without the proxies. */
  declaredEnv(env: readonly string[]): string[] {
    return [...this.#declared]
      .filter(
        ([name, value]) =>
          value !== undefined && !predefined.includes(name) && envValue(env, name) === undefined,
      )
      .map(([name, value]) => `${name}=${value}`)
      .sort();
  }

  proxyEnv(): string[] {
    return predefined.flatMap((name) => {
      const value = this.#given(name);
      if (value === undefined) return [];
      this.#variables.consumed.add(name);
      return [`${name}=${value}`];
    });
  }

  expand(text: string, env: readonly string[], line: number, options: ExpandOptions = {}): string {
    return atLine(line, () => expandWord(text, this.#lookup(env), this.#variables.escapeToken, options));
  }

  expandWords(text: string, env: readonly string[], line: number): string[] {
    return atLine(line, () => expandWords(text, this.#lookup(env), this.#variables.escapeToken));
  }

  #lookup(env: readonly string[]) {
    return (name: string) => envValue(env, name) ?? this.#declared.get(name);
  }

  #given(name: string): string | undefined {
    const { buildArgs } = this.#variables;
    return Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
  }

  #outer(name: string): string | undefined {
    return this.#globals.get(name) ?? this.#variables.platform[name];
  }
}

export function envValue(env: readonly string[], name: string): string | undefined {
  const entry = env.findLast((one) => one.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}

function atLine<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('bad_request', oneLine(`dockerfile line ${line}: ${error.message}`));
  }
}
