// The archive of a stack variant on this machine: bootstrapped by mmdebstrap when it is not there yet, kept for every platform of the machine.
// Called by make-stack.ts. An archive is whole or not there.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import { findMirror } from './debian-mirror.ts';
import { oneMaker } from './one-maker.ts';
import { type BootstrapPlan, bootstrapPlan, type StackRecipe, type StackVariant } from './stack-recipe.ts';

/** A slow mirror needs minutes for 200 MB; longer means that it hangs. */
const bootstrapLimitMs = 15 * 60_000;
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface WantedStack {
  recipe: StackRecipe;
  variant: StackVariant;
  arch: string;
  /** Of the recipe: part of the file's name. */
  key: string;
}

/** The archive's path. `onMake` is called when it has to be bootstrapped first. */
export async function stackArchive(
  wanted: WantedStack,
  cacheDir: string,
  onMake: () => void,
): Promise<string> {
  const { recipe, variant, arch, key } = wanted;
  mkdirSync(cacheDir, { recursive: true, mode: 0o755 });
  const tar = join(cacheDir, `${recipe.name}-${variant}-${arch}-${key.slice(0, 12)}.tar`);
  if (existsSync(tar)) return tar;
  onMake();
  await oneMaker(`${tar}.lock`, bootstrapLimitMs, async () => {
    if (existsSync(tar)) return; // made by another platform while we waited
    const part = `${tar}.part`;
    await bootstrap(
      bootstrapPlan(recipe, variant, { arch, mirror: findMirror('/etc/apt'), keyring, tar: part }),
    );
    renameSync(part, tar);
  });
  return tar;
}

async function bootstrap(plan: BootstrapPlan): Promise<void> {
  if (!existsSync(keyring))
    throw new AppError('unavailable', `"${keyring}" is not there`, {
      hint: 'apt install debian-archive-keyring',
    });
  const { exitCode, stderr } = await runCommand(plan.argv, {
    env: plan.env,
    timeoutMs: bootstrapLimitMs,
  });
  if (exitCode === 0) return;
  rmSync(plan.tar, { force: true });
  throw new AppError('unavailable', `the stack cannot be made from "${plan.mirror}"`, {
    detail: stderr.trim().split('\n').slice(-15).join('\n'),
    hint: 'the host must reach a Debian mirror: see /etc/apt/sources.list.d',
  });
}
