// The layer that infra containers stand on: one static program, no image. Made when the first pod is, and again when the program has changed.
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { RootOfContainer } from '../containers/create-container.ts';
import { noDefaults } from '../images/image-config.ts';
import type { LayerStore } from '../images/layer-store.ts';

export async function pauseRoot(nativeDir: string, layers: LayerStore): Promise<RootOfContainer> {
  const { diffId } = await layers.withScratch((dir) => {
    const root = join(dir, 'root');
    mkdirSync(root, { mode: 0o755 });
    copyProgram(join(nativeDir, 'berth-pause'), join(root, 'pause'));
    return layers.adopt(root, 0); // the same program gives the same layer: one that is there is taken
  });
  return { id: '', layers: [diffId], defaults: { ...noDefaults } };
}

function copyProgram(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (cause) {
    throw new AppError('internal', `"${from}" is missing`, {
      cause,
      hint: 'run make in engine-native/runtime',
    });
  }
  chmodSync(to, 0o755);
}
