// The table: kill -9 of the daemon, the helper, a shim and berth-dns at each step. After every cell: a client that talks to another container
// has noticed nothing, nothing is left over in the kernel or on the disk, what was answered is true, and the step works again.
import { after, before, describe, test } from 'node:test';
import { killAtAStep, measure } from './kill-at-a-step.ts';
import { RecoveryWorld } from './recovery-world.ts';
import { steps } from './steps.ts';

let world: RecoveryWorld;

before(async () => {
  world = await RecoveryWorld.open('brk1');
});
after(() => world.close());

for (const step of steps) {
  describe(`during ${step.name}`, () => {
    before(() => measure(world, step));
    for (const part of step.parts)
      test(`kill -9 of the ${part}`, { timeout: 40_000 }, () =>
        killAtAStep(world, step, part, Math.random()),
      );
  });
}
