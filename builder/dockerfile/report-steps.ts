// What the engine says about the steps of a Dockerfile as `berth builds:info` shows it: seconds and cache hits, and a name for each layer. Pure.
import type { DockerfileStep } from '@berth/clients/engine-types.ts';
import type { BuildLayer, BuildStep } from '@berth/contract/build.ts';
import { isOwnLabel } from './run-engine-build.ts';

/** Longer instructions are cut: the log has them whole. */
const maxNameLength = 60;

/** A base image that is on the host already takes no time. */
const pullSeconds = 0.1;

/** In the file's order, stage by stage; instructions that only change the config are of no interest. */
export function stepsOf(steps: readonly DockerfileStep[]): BuildStep[] {
  return inOrder(steps)
    .filter(({ text, layer }) => /^(FROM|RUN|COPY|ADD)\b/i.test(text) || layer !== undefined)
    .filter(({ text, seconds }) => !isOwnLabel(text) && (!/^FROM\b/i.test(text) || seconds >= pullSeconds))
    .map(({ text, seconds, cached }) => ({ name: shortened(text), seconds, cached }));
}

/** Layers of the image, bottom first; what no step made came with the base image. */
export function layersOf(
  steps: readonly DockerfileStep[],
  diffIds: readonly string[],
): Omit<BuildLayer, 'sizeBytes'>[] {
  // The last stage's: a step of another stage may have made the very same layer.
  const made = new Map(
    inOrder(steps).flatMap((step) => (step.layer === undefined ? [] : [[step.layer, step]])),
  );
  return diffIds.map((diffId, index) => {
    const step = made.get(diffId);
    if (!step) return { name: `base ${index + 1}`, diffId };
    const { text, cached, seconds } = step;
    return { name: shortened(text), diffId, cached, seconds };
  });
}

/** Steps of stages that run side by side come mixed. */
function inOrder(steps: readonly DockerfileStep[]): DockerfileStep[] {
  return steps.toSorted((one, other) => one.stage - other.stage);
}

function shortened(text: string): string {
  return text.length > maxNameLength ? `${text.slice(0, maxNameLength - 1)}…` : text;
}
