// What the files of this folder need of the engine. Only shapes.
import type { CreateParts } from '../containers/create-container.ts';
import type { StartParts } from '../containers/start-container.ts';
import type { PullParts } from '../images/pull-image.ts';

export interface PodParts extends CreateParts, StartParts, PullParts {
  /** The engine's folder for what survives. */
  root: string;
  /** Where berth-pause lies. */
  nativeDir: string;
}
