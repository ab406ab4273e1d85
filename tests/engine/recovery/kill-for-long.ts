// The matrix of kill-at-each-step.test.ts in random order and at random moments, for as long as it is told:
// `node tests/engine/recovery/kill-for-long.ts [minutes]`. No part of `npm test`. Says what it did last when something does not hold.
import { killAtAStep, measure } from './kill-at-a-step.ts';
import { RecoveryWorld } from './recovery-world.ts';
import { steps } from './steps.ts';

const minutes = Number(process.argv[2] ?? 10);
const endsAt = Date.now() + minutes * 60_000;

function oneOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}

const world = await RecoveryWorld.open('brkl');
let cells = 0;
try {
  for (const step of steps) await measure(world, step);
  for (; Date.now() < endsAt; cells++) {
    const step = oneOf(steps);
    const part = oneOf(step.parts);
    const moment = Math.random() * 1.1;
    try {
      await killAtAStep(world, step, part, moment);
    } catch (error) {
      console.error(
        `${part} killed at ${moment.toFixed(3)} of ${step.name}, after ${cells} cells that were whole`,
      );
      throw error;
    }
  }
} finally {
  await world.close();
}
console.log(
  `${cells} kills; ${world.client.answers} answers, the longest took ${Math.round(world.client.longestMs)} ms`,
);
