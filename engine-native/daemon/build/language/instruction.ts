// The instructions of a Dockerfile as data: what the parser gives and the builder carries out. Only shapes.
import type { Heredoc } from './source-lines.ts';

export interface Place {
  line: number;
  /** The instruction as it stands in "Step 1/6 : …": keyword and rest on one line. */
  text: string;
}

export type Command = { shell: string } | { exec: string[] };

export interface Pair {
  name: string;
  value: string;
}

export interface FromInstruction extends Place {
  kind: 'from';
  image: string;
  platform: string;
  /** Lower case; "" = unnamed. */
  alias: string;
}

export interface RunInstruction extends Place {
  kind: 'run';
  command: Command;
  heredocs: Heredoc[];
  /** `--mount` values as written. */
  mounts: string[];
  network: 'default' | 'none' | 'host';
}

/** COPY and ADD. */
export interface CopyInstruction extends Place {
  kind: 'copy' | 'add';
  sources: string[];
  destination: string;
  heredocs: Heredoc[];
  from: string;
  chown: string;
  chmod: string;
  link: boolean;
  parents: boolean;
  exclude: string[];
  checksum: string;
  /** ADD: undefined = archives of the context are unpacked, downloads are not. */
  unpack: boolean | undefined;
  keepGitDir: boolean;
}

export interface Healthcheck {
  Test: string[];
  /** Nanoseconds; 0 = inherit. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CopyInstruction
  | (Place & { kind: 'arg'; pairs: { name: string; value: string | undefined }[] })
  | (Place & { kind: 'env' | 'label'; pairs: Pair[] })
  | (Place & { kind: 'workdir'; value: string })
  | (Place & { kind: 'user' | 'stopsignal' | 'maintainer'; value: string })
  | (Place & { kind: 'expose'; ports: string })
  | (Place & { kind: 'volume'; paths: string[] })
  | (Place & { kind: 'cmd' | 'entrypoint'; command: Command })
  | (Place & { kind: 'shell'; words: string[] })
  | (Place & { kind: 'healthcheck'; check: Healthcheck; command: Command | undefined })
  | (Place & { kind: 'onbuild'; trigger: string });

export type ArgInstruction = Extract<Instruction, { kind: 'arg' }>;
