// Where Biome's program lies. Its package for one platform is a dependency of its own: the lock file then names no program for others.
import { join } from 'node:path';

export const biome = join(
  import.meta.dirname,
  '../../node_modules/@biomejs',
  `cli-linux-${process.arch}`,
  'biome',
);
