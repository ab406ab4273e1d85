// Makes the stack image out of Debian's packages and hands it to the engine; nothing to do when the engine has it already.
// `node infra/stacks/make-stack.ts --engine SOCKET --cache FOLDER`; the supervisor runs it once the engine is up.
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import recipe from './debian-13/recipe.json' with { type: 'json' };
import { findMirror } from './debian-mirror.ts';
import { type BootstrapPlan, bootstrapPlan, stackImageConfig, stackKey } from './stack-recipe.ts';

/** A slow mirror needs minutes for 100 MB; longer means that it hangs. */
const bootstrapLimitMs = 15 * 60_000;
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { engine: { type: 'string' }, cache: { type: 'string' } } });
  if (!values.engine || !values.cache)
    throw new AppError('bad_request', 'usage: make-stack.ts --engine SOCKET --cache FOLDER');
  const begun = performance.now();
  const engine = new EngineClient(values.engine);
  try {
    const made = await makeStack(engine, values.cache);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(
      made === 'present'
        ? `       ${recipe.tag} up to date`
        : `-----> stack image ${recipe.tag} ${made} ${seconds} s`,
    );
  } finally {
    engine.close();
  }
}

export async function makeStack(
  engine: EngineClient,
  cacheDir: string,
): Promise<'present' | 'loaded' | 'bootstrapped'> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const key = stackKey(recipe, arch);
  const present = await engine.inspectImage(recipe.tag);
  if (present?.Config.Labels?.['berth.stack'] === key) return 'present';
  mkdirSync(cacheDir, { recursive: true, mode: 0o755 });
  const tar = join(cacheDir, `${recipe.name}-${arch}-${key.slice(0, 12)}.tar`);
  const wasKept = existsSync(tar);
  if (!wasKept) console.log("       making the stack image from Debian's packages, once on this machine");
  if (!wasKept)
    await bootstrap(
      bootstrapPlan(recipe, {
        arch,
        mirror: findMirror('/etc/apt'),
        keyring,
        tar: `${tar}.${process.pid}.part`,
      }),
      tar,
    );
  const layer = await engine.makeLayer(createReadStream(tar, { highWaterMark: 1024 * 1024 }));
  await engine.makeImage({ config: stackImageConfig(arch, key), layers: [layer.diffId], tags: [recipe.tag] });
  return wasKept ? 'loaded' : 'bootstrapped';
}

async function bootstrap(plan: BootstrapPlan, tar: string): Promise<void> {
  if (!existsSync(keyring))
    throw new AppError('unavailable', `"${keyring}" is not there`, {
      hint: 'apt install debian-archive-keyring',
    });
  const { exitCode, stderr } = await runCommand(plan.argv, {
    env: plan.env,
    timeoutMs: bootstrapLimitMs,
  });
  if (exitCode !== 0) {
    rmSync(plan.tar, { force: true });
    throw new AppError('unavailable', `the stack cannot be made from "${plan.mirror}"`, {
      detail: stderr.trim().split('\n').slice(-15).join('\n'),
      hint: 'the host must reach a Debian mirror: see /etc/apt/sources.list.d',
    });
  }
  renameSync(plan.tar, tar);
}

if (import.meta.main) {
  try {
    await main();
  } catch (thrown) {
    const error = asAppError(thrown);
    console.error([error.message, error.detail, error.hint].filter(Boolean).join('\n'));
    process.exitCode = 1;
  }
}
