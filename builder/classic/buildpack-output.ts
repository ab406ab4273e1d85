// What the build script and the buildpacks print, told apart line by line. One instance a build; used by run-buildpacks.ts.
// The output is hostile: what it says of itself goes into messages and into the release, never further.
import type { BuildLog } from '../report/build-log.ts';

export interface BuildpackOutcome {
  /** What bin/detect printed: "Node.js". */
  name: string;
  seconds: number;
}

export type BuildpackFailure =
  | { kind: 'lacks'; what: string }
  | { kind: 'refused' | 'failed' | 'unreleased'; exitCode: number };

export class BuildpackOutput {
  readonly #mark: string;
  readonly #log: Pick<BuildLog, 'step' | 'detail' | 'warning'>;
  readonly #now: () => number;
  readonly #sent = new Map<string, string>();
  readonly outcomes: BuildpackOutcome[] = [];
  /** Of the buildpack that began last. */
  failure: BuildpackFailure | undefined;
  /** Everything was done, up to the last move. */
  isBuilt = false;
  /** The slice that lies at /app already. */
  inPlace = '';
  /** The slices of the result that hold anything. */
  readonly slices = new Set<string>();
  /** Index of the buildpack at work, -1 before the first. */
  at = -1;
  #begun = 0;

  constructor(
    mark: string,
    log: Pick<BuildLog, 'step' | 'detail' | 'warning'>,
    now: () => number = () => performance.now(),
  ) {
    this.#mark = mark;
    this.#log = log;
    this.#now = now;
  }

  push(line: string): void {
    const at = line.indexOf(this.#mark);
    // Before the mark: a buildpack's last line without an end.
    if (at !== 0) this.#show(at === -1 ? line : line.slice(0, at));
    if (at === -1) return;
    const [, word = '', rest = ''] = /^ (\S+) ?(.*)$/.exec(line.slice(at + this.#mark.length)) ?? [];
    this.#note(word, rest);
  }

  /** The last buildpack's release, the Procfile of the result, the reports: as they came. Undefined: there was none. */
  text(kind: 'release' | 'procfile' | 'report'): string | undefined {
    const sent = this.#sent.get(kind);
    return sent === undefined ? undefined : Buffer.from(sent, 'base64').toString('utf8');
  }

  #note(word: string, rest: string): void {
    if (word === 'begin') {
      this.at++;
      this.#begun = this.#now();
      this.outcomes.push({ name: '', seconds: 0 });
    } else if (word === 'compiling') this.#nameIt();
    else if (word === 'end') this.#end();
    else if (word === 'built') this.#built(rest);
    else if (word === 'slice') this.slices.add(rest);
    else if (word === 'lacks') this.failure = { kind: 'lacks', what: rest };
    else if (word === 'refused' || word === 'failed' || word === 'unreleased')
      this.failure = { kind: word, exitCode: Number(rest) };
    else if (rest === '')
      this.#sent.set(word, ''); // a new text of that kind: of several the last counts
    else if (word !== 'report' || (this.#sent.get(word) ?? '').length < 64 * 1024)
      this.#sent.set(word, (this.#sent.get(word) ?? '') + rest);
  }

  #built(inPlace: string): void {
    this.isBuilt = true;
    this.inPlace = inPlace;
  }

  #nameIt(): void {
    const name = Buffer.from(this.#sent.get('name') ?? '', 'base64').toString('utf8');
    this.#sent.delete('name');
    const outcome = this.outcomes.at(-1);
    if (outcome)
      outcome.name = name
        .replace(/\p{Cc}/gv, '')
        .trim()
        .slice(0, 80);
    if (outcome && outcome.name !== '') this.#log.step(`${outcome.name} app detected`);
  }

  #end(): void {
    const outcome = this.outcomes.at(-1);
    if (outcome) outcome.seconds = Math.round(this.#now() - this.#begun) / 1000;
  }

  /** Buildpacks print in the form of our own log already. */
  #show(line: string): void {
    const step = /^-{3,}> ?(.*)$/.exec(line)?.[1];
    const warning = /^ ?! {1,5}(.*)$/.exec(line)?.[1];
    if (step !== undefined) this.#log.step(step);
    else if (warning !== undefined) this.#log.warning(warning);
    else this.#log.detail(line.replace(/^ {7}/, ''));
  }
}

/** Lines of the reports that say which version of something was taken: "python_version: 3.13.1". */
export function reportedVersions(report: string): string[] {
  return report
    .split('\n')
    .flatMap((line) => {
      const [, key, value] =
        /^"?([a-z][a-z0-9_-]{0,40}version)"?: *"?([\w.+~-]{1,40})"?,?$/i.exec(line.trim()) ?? [];
      return key === undefined || value === undefined ? [] : [`${key} ${value}`];
    })
    .slice(0, 10);
}
