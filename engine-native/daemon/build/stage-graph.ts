// Which stages a build needs, and what FROM means for each. Pure, but for the images it asks for.
import { AppError } from '@berth/kit/errors.ts';
import type { Instruction } from './language/instruction.ts';
import type { Dockerfile, Stage } from './language/parse-dockerfile.ts';
import { parseRunMount } from './mount-options.ts';

/** The stage asked for by name or number; the last one by default. */
export function targetStage({ stages }: Dockerfile, target: string): Stage {
  const found = target === '' ? stages.at(-1) : stageNamed(stages, target, stages.length);
  if (found) return found;
  throw new AppError('bad_request', `failed to reach build target ${target.slice(0, 100)} in Dockerfile`, {
    hint: `the stages are ${stages.map(({ from, index }) => from.alias || String(index)).join(', ')}`,
  });
}

/** An earlier stage by name or number. */
export function stageNamed(stages: Stage[], name: string, before: number): Stage | undefined {
  const earlier = stages.slice(0, before);
  const named = earlier.findLast(({ from }) => from.alias !== '' && from.alias === name.toLowerCase());
  return named ?? (/^\d{1,4}$/.test(name) ? earlier[Number(name)] : undefined);
}

/** Stages that the target is made of, as far as they can be known before it runs; in the file's order. */
export function neededStages(stages: Stage[], target: Stage, baseOf: (stage: Stage) => string): Stage[] {
  const needed = new Set<Stage>();
  const visit = (stage: Stage) => {
    if (needed.has(stage)) return;
    needed.add(stage);
    const names = [baseOf(stage), ...stage.instructions.flatMap(sourcesOf)];
    for (const name of names) {
      const other = stageNamed(stages, name, stage.index);
      // FROM 0 is an image called "0", not the first stage.
      const isBase = name === names[0];
      if (other && !(isBase && other.from.alias === '')) visit(other);
    }
  };
  visit(target);
  return stages.filter((stage) => needed.has(stage));
}

/** Stages or images that an instruction reads from. */
export function sourcesOf(instruction: Instruction): string[] {
  if (instruction.kind === 'copy' && instruction.from !== '') return [instruction.from];
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.flatMap((text) => {
    try {
      const { from } = parseRunMount(text, '/', instruction.line);
      return from === '' ? [] : [from];
    } catch {
      return []; // what is wrong with it is said when its turn comes
    }
  });
}
