// All process types of a build: the driver's defaults, the Procfile's, berth.toml's, and the release phase. Called once a plan is made.
import { AppError } from '@berth/kit/errors.ts';
import type { AppManifest } from './app-manifest.ts';
import { didYouMean } from './check-shape.ts';

export interface FinalProcessTypes {
  processTypes: Record<string, string>;
  warnings: string[];
}

/** A process type that berth.toml speaks of and that has no command anywhere is refused; one of app.json, which is written for many platforms, is not. */
export function finalProcessTypes(
  manifest: AppManifest,
  defaults: Readonly<Record<string, string>>,
): FinalProcessTypes {
  const processTypes: Record<string, string> = {
    ...(manifest.keepsDefaults ? defaults : {}),
    ...manifest.processTypes,
    ...(manifest.releaseCommand === undefined ? {} : { release: manifest.releaseCommand }),
  };
  const known = Object.keys(processTypes);
  const warnings: string[] = [];
  for (const [type, place] of Object.entries(manifest.places)) {
    if (Object.hasOwn(processTypes, type)) continue;
    const problem = `${place}: the process type "${type}" has no command${didYouMean(type, known)}`;
    if (place.startsWith('berth.toml'))
      throw new AppError('invalid', problem, { hint: 'give it a "command", or a line in the Procfile' });
    warnings.push(problem);
  }
  return { processTypes, warnings };
}
