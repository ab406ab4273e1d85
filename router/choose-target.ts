// Which instance a request goes to: of two drawn at random the one with fewer requests in flight. Pure; called for every attempt.
import type { Target } from './table.ts';

/** None: every instance was tried already. Ejected instances are taken only when nothing else is left. */
export function chooseTarget(
  targets: readonly Target[],
  tried: readonly Target[],
  now: number,
  random: () => number = Math.random,
): Target | undefined {
  if (targets.length === 1) {
    const only = targets[0];
    return only && tried.includes(only) ? undefined : only;
  }
  const untried = tried.length === 0 ? targets : targets.filter((target) => !tried.includes(target));
  const fit = untried.some((target) => target.ejectedUntil > now)
    ? untried.filter((target) => target.ejectedUntil <= now)
    : untried;
  const from = fit.length > 0 ? fit : untried;
  if (from.length < 2) return from[0];
  const first = Math.floor(random() * from.length);
  const second = (first + 1 + Math.floor(random() * (from.length - 1))) % from.length;
  const a = from[first] as Target;
  const b = from[second] as Target;
  return b.inFlight < a.inFlight ? b : a;
}
