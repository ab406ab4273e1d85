// How a driver turns a tool's output into one line for the pusher: a list of rules, the first that knows the output wins. Pure; used by explain.ts of the drivers.
import type { Explanation } from './plan.ts';

export type Rule = (output: string) => Explanation | undefined;

/** A rule of one pattern; `explain` gets its groups, '' for one that did not take part. */
export function rule(pattern: RegExp, explain: (groups: string[]) => Explanation): Rule {
  return (output) => {
    const found = pattern.exec(output);
    return found ? explain(found.slice(1).map((group) => group ?? '')) : undefined;
  };
}

export function firstExplanation(rules: readonly Rule[], output: string): Explanation | undefined {
  for (const one of rules) {
    const explanation = one(output);
    if (explanation) return explanation;
  }
  return undefined;
}
