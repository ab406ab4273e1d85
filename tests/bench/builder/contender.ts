// What the builder bench compares, as a shape. Used by run.ts.
import type { Case } from './sample.ts';

export interface Contender {
  name: string;
  /** How often a case is measured in a round: what is quick is noise if it is measured once. */
  repeats(what: Case): number;
  /** What is slow is not measured in each round. */
  maxRounds?: number;
  /** Milliseconds of the next build of that case; undefined: it has no such case. Throws when the build fails. */
  measure(what: Case): Promise<number | undefined>;
  close(): Promise<void>;
}
