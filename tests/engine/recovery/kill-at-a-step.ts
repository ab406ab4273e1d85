// One cell of the matrix: a step is under way, a process of the engine is killed at a moment of chance, and then everything must be whole.
// Used by kill-at-each-step.test.ts and by kill-for-long.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../engine-harness.ts';
import type { RecoveryWorld } from './recovery-world.ts';
import type { Part, Step } from './steps.ts';

/** How long each step takes when nothing is killed, so that the kill falls into it. */
const durations = new Map<string, number>();

export async function measure(world: RecoveryWorld, step: Step): Promise<void> {
  await step.prepare(world);
  const beganAt = performance.now();
  await step.run(world);
  durations.set(step.name, performance.now() - beganAt);
  await step.check?.(world, true);
  await step.clean(world);
  await world.checkWhole(step.name);
}

/** `moment`: 0 for the begin of the step, 1 for its end. */
export async function killAtAStep(
  world: RecoveryWorld,
  step: Step,
  part: Part,
  moment: number,
): Promise<void> {
  const id = await step.prepare(world);
  const shim = part === 'shim' && id !== '' ? await shimOf(world, id) : 0;
  const work = step.run(world).then(
    () => true,
    () => false,
  );
  await sleep(moment * (durations.get(step.name) ?? 100));
  await kill(world, part, shim);
  const succeeded = await work;
  if (part === 'daemon') await world.engine.startDaemon();
  await eventually('the helper is there', async () => world.engine.helperPid > 0);
  await step.check?.(world, succeeded);
  await step.clean(world);
  const at = `${part} killed at ${moment.toFixed(3)} of ${step.name}`;
  await world.checkWhole(at);
}

/** 0 for a container that does not run yet: then the shim is looked for when it is to be killed. */
async function shimOf(world: RecoveryWorld, id: string): Promise<number> {
  const { Pid } = await world.stateOf(id);
  return Pid === 0 ? 0 : world.shimOf(id);
}

async function kill(world: RecoveryWorld, part: Part, shim: number): Promise<void> {
  if (part === 'daemon') return world.engine.stopDaemon('SIGKILL');
  const pids = {
    helper: () => [world.engine.helperPid],
    shim: () => (shim > 0 ? [shim] : world.shimsBesideWitness()),
    dns: () => world.dnsPids(),
  };
  for (const pid of pids[part]()) {
    try {
      if (pid > 0) process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself: the step was quicker
    }
  }
}
