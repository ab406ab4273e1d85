// What the builder bench compares, as a shape. Used by run.ts.
import type { Case } from './sample.ts';

export interface Contender {
  name: string;
  /** Cheap enough to be measured several times a round. */
  isQuick: boolean;
  /** Milliseconds of the next build of that case; undefined: it has no such case. Throws when the build fails. */
  measure(what: Case): Promise<number | undefined>;
  close(): Promise<void>;
}
