// The archives of a stack variant on this machine: bootstrapped by mmdebstrap when it is not there yet, kept for every platform of the machine.
// Called by make-stack.ts. An archive is whole or not there.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import { findMirror } from './debian-mirror.ts';
import { oneMaker } from './one-maker.ts';
import { splitStack } from './split-stack.ts';
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
  /** Made again from the mirror although it is there: Debian's updates. */
  isUpdate?: boolean;
}

export interface StackArchives {
  tar: string;
  /** Of the run variant: what lies over it where packages are installed. */
  toolsTar: string | undefined;
}

/** Where the archives are. `onMake` is called when they have to be bootstrapped first. */
export async function stackArchives(
  wanted: WantedStack,
  cacheDir: string,
  onMake: () => void,
): Promise<StackArchives> {
  const { recipe, variant, arch, key } = wanted;
  mkdirSync(cacheDir, { recursive: true, mode: 0o755 });
  const path = (name: string) => join(cacheDir, `${recipe.name}-${name}-${arch}-${key.slice(0, 12)}.tar`);
  const tar = path(variant);
  const toolsTar = variant === 'run' ? path('tools') : undefined;
  const areThere = () => existsSync(tar) && (toolsTar === undefined || existsSync(toolsTar));
  const isUpdate = wanted.isUpdate ?? false;
  if (!isUpdate && areThere()) return { tar, toolsTar };
  onMake();
  await oneMaker(`${tar}.lock`, bootstrapLimitMs, async () => {
    if (!isUpdate && areThere()) return; // made by another platform while we waited
    await (toolsTar === undefined ? makeWhole(wanted, tar) : makeSplit(wanted, tar, toolsTar));
  });
  return { tar, toolsTar };
}

async function makeWhole(wanted: WantedStack, tar: string): Promise<void> {
  const part = `${tar}.part`;
  await bootstrap(planFor(wanted, part));
  renameSync(part, tar);
}

async function makeSplit(wanted: WantedStack, tar: string, toolsTar: string): Promise<void> {
  const root = `${tar}.root`;
  rmSync(root, { recursive: true, force: true });
  try {
    const plan = planFor(wanted, root);
    await bootstrap(plan);
    const parts = { root, runTar: `${tar}.part`, toolsTar: `${toolsTar}.part`, env: plan.env };
    await splitStack(wanted.recipe, parts);
    renameSync(parts.toolsTar, toolsTar);
    renameSync(parts.runTar, tar);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function planFor({ recipe, variant, arch }: WantedStack, target: string): BootstrapPlan {
  return bootstrapPlan(recipe, variant, { arch, mirror: findMirror('/etc/apt'), keyring, target });
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
  rmSync(plan.target, { recursive: true, force: true });
  throw new AppError('unavailable', `the stack cannot be made from "${plan.mirror}"`, {
    detail: stderr.trim().split('\n').slice(-15).join('\n'),
    hint: 'the host must reach a Debian mirror: see /etc/apt/sources.list.d',
  });
}
