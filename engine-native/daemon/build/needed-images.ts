// The images a Dockerfile stands on, before it is built: what FROM, COPY --from and mounts name that is no stage. Pure.
// Used by POST /berth/build/images, so that a platform can see to them first.

import { platformVariables } from './base-image.ts';
import type { BuildOptions } from './build-options.ts';
import type { Instruction } from './language/instruction.ts';
import { parseDockerfile } from './language/parse-dockerfile.ts';
import { neededStages, sourcesOf, stageNamed, targetStage } from './stage-graph.ts';
import { type BuildVariables, VariableScope } from './variable-scope.ts';

export function neededImages(
  text: string,
  options: Pick<BuildOptions, 'target' | 'buildArgs' | 'platform'>,
): string[] {
  const file = parseDockerfile(text);
  const target = targetStage(file, options.target);
  const variables: BuildVariables = {
    buildArgs: options.buildArgs,
    platform: platformVariables(options.platform, target.from.alias),
    escapeToken: file.escapeToken,
    consumed: new Set(),
  };
  const globals = new VariableScope(variables, new Map(Object.entries(variables.platform)));
  for (const arg of file.globalArgs) globals.declare(arg, []);
  const baseOf = ({ from }: { from: { image: string; line: number } }) =>
    globals.expand(from.image, [], from.line);
  const names = neededStages(file.stages, target, baseOf).flatMap((stage) => {
    const base = baseOf(stage);
    const isStage = (stageNamed(file.stages, base, stage.index)?.from.alias ?? '') !== '';
    const sources = stage.instructions
      .flatMap((instruction: Instruction) => sourcesOf(instruction))
      .filter((name) => !stageNamed(file.stages, name, stage.index) && !name.includes('$'));
    return [...(isStage || base === 'scratch' || base === '' ? [] : [base]), ...sources];
  });
  return [...new Set(names)];
}
