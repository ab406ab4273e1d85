// One step of the walk: a command of the docker CLI and what has to come of it. The chapters are lists of steps.

/** What is typed into a terminal once a text has been seen there. */
export interface Exchange {
  see: string;
  /** Text, or a window's size. */
  send: string | { rows: number; columns: number };
}

export interface Step {
  /** As a shell would be given it, with 'single quotes'; $dir is a folder of the engine's own, $port0 to $port9 are free ports. Each command occurs once. */
  command: string;
  /** Told beside a command that occurs again, so that the two have names of their own. */
  when?: string;
  code?: number;
  /** After normalising: the whole text, or a part. */
  out?: string | RegExp;
  err?: string | RegExp;
  stdin?: string;
  /** Files of $dir, by name, that are there before the command. */
  files?: Record<string, string>;
  /** Only for Berth: what Docker says to it is chance or this machine's business, or takes the 15 s in which it looks for a plugin. */
  alone?: boolean;
  /** Given a terminal instead of pipes. */
  terminal?: Exchange[];
  /** What this command tells that is another each time. */
  tidy?: (text: string) => string;
}

export function nameOf(step: Step): string {
  return `docker ${step.command}${step.when === undefined ? '' : ` (${step.when})`}`;
}

export function words(command: string): string[] {
  const parts = command.matchAll(/(?:[^\s']|'[^']*')+/g);
  return [...parts].map(([word]) => word.replaceAll("'", ''));
}
