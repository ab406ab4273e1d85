// Where a stage of a build stands: layers, config and history so far, and the key of everything that led there. Data and pure functions.
import { canonicalJson, digestOf, type ImageDefaults, noDefaults } from '../images/image-config.ts';
import type { Image } from '../images/image-store.ts';
import { chainKey } from './step-cache.ts';

export interface HistoryEntry {
  created: string;
  created_by: string;
  comment?: string;
  empty_layer?: boolean;
}

export interface StageState {
  /** Lowest first. */
  layers: string[];
  config: ImageDefaults;
  history: HistoryEntry[];
  architecture: string;
  os: string;
  variant: string;
  author: string;
  /** RFC 3339, of the newest step. */
  created: string;
  key: string;
  /** This stage has a CMD of its own, which a later ENTRYPOINT leaves alone. */
  hasOwnCmd: boolean;
}

export function scratchState(architecture: string, scope: string): StageState {
  return {
    layers: [],
    config: { ...noDefaults },
    history: [],
    architecture,
    os: 'linux',
    variant: '',
    author: '',
    created: '',
    key: chainKey('scratch', { architecture, scope }),
    hasOwnCmd: false,
  };
}

export function imageState({ id, config }: Image, scope: string): StageState {
  return {
    layers: [...config.diffIds],
    config: { ...noDefaults, ...config.defaults },
    history: historyOf(config),
    architecture: config.architecture,
    os: config.os,
    variant: config.variant,
    author: config.author,
    created: config.created,
    key: chainKey('image', { id, scope }),
    hasOwnCmd: false,
  };
}

/** One entry a layer at least, as the specification wants it: an image that tells less gets unnamed ones. */
function historyOf({ history, diffIds, created }: Image['config']): HistoryEntry[] {
  const told = history.filter(({ emptyLayer }) => !emptyLayer).length;
  const untold = Array.from({ length: Math.max(0, diffIds.length - told) }, () => ({
    created,
    created_by: '',
  }));
  const entries = history.map((entry) => ({
    created: entry.created,
    created_by: entry.createdBy,
    ...(entry.comment === '' ? {} : { comment: entry.comment }),
    ...(entry.emptyLayer ? { empty_layer: true } : {}),
  }));
  return [...untold, ...entries];
}

/** The image's config without its rootfs, as ImageStore.create takes it. */
export function configOf(state: StageState): Record<string, unknown> {
  const filled = Object.entries(state.config).filter(([, value]) => !isEmpty(value));
  return {
    architecture: state.architecture,
    os: state.os,
    ...(state.variant === '' ? {} : { variant: state.variant }),
    ...(state.author === '' ? {} : { author: state.author }),
    created: state.created,
    config: Object.fromEntries(filled),
    history: state.history,
  };
}

/** What "--->" shows: the id an image of this state would have. */
export function shortId(state: StageState): string {
  const text = canonicalJson({
    ...configOf(state),
    rootfs: { type: 'layers', diff_ids: state.layers },
  });
  return digestOf(text).slice('sha256:'.length, 'sha256:'.length + 12);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
