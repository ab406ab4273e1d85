// Start-first, all at once: the whole next generation starts beside the current one; when all of it is ready, one switch. The default.
import type { DeployStrategy } from './strategy.ts';

export const allAtOnce: DeployStrategy = {
  name: 'all-at-once',
  step: ({ wanted, missing, next }) => ({
    start: missing,
    switchNow: next.length === wanted.length && next.every((instance) => instance.state === 'ready'),
  }),
};
