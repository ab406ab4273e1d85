// `node tests/vm/run.ts [--built] [--keep] LIST…`: boots Debian 13 with systemd and cgroup v2 and runs command lists in a clone in it.
// A list has a command a line, run as the user "dev" in ~/berth; `reboot` reboots. README.md says the rest. No part of `npm test`.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { settings } from './config.ts';
import { Machine } from './machine.ts';
import { ensureImage, makeDisk } from './make-image.ts';

const repository = resolve(import.meta.dirname, '../..');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { keep: { type: 'boolean' }, built: { type: 'boolean' } },
  });
  const commands = positionals.flatMap((list) => linesOf(readFileSync(list, 'utf8')));
  const image = await ensureImage(values.built === true);
  const dir = mkdtempSync(join(settings.cacheDir, 'run-'));
  const second = values.built ? await diskOfThisClone(dir) : undefined;
  const machine = await Machine.boot(image, dir, second);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void machine.end().finally(() => process.exit(1)));
  let failed = 1;
  try {
    if (second) await machine.mustRun('root', mountSecond);
    else await machine.clone(await bundleOfHead(dir));
    failed = await runAll(machine, commands);
  } finally {
    if (values.keep)
      process.stdout.write(
        `-----> the machine stays, as process ${machine.leave()}:\n       ${machine.ssh('dev', '').join(' ')}\n`,
      );
    else await machine.end();
  }
  if (failed === 0 && !values.keep) rmSync(dir, { recursive: true });
  return failed;
}

async function runAll(machine: Machine, commands: readonly string[]): Promise<number> {
  for (const command of commands) {
    const startedAt = performance.now();
    process.stdout.write(`-----> ${command}\n`);
    if (command === 'reboot') await machine.reboot();
    else {
      const exitCode = await machine.show('dev', `cd berth && ${command}`);
      if (exitCode !== 0) {
        process.stdout.write(` !     exit code ${exitCode}\n`);
        return 1;
      }
    }
    process.stdout.write(`       ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
  }
  return 0;
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const mountSecond =
  'mkdir /home/dev/berth && mount LABEL=berth /home/dev/berth && git config --system safe.directory "*"';

/** This clone as it stands, with its packages and programs: an emulated machine takes very long to make them. */
async function diskOfThisClone(dir: string): Promise<string> {
  const copy = join(dir, 'clone');
  cpSync(repository, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/\/(build-sanitize|\.cache)$/.test(path),
  });
  const disk = join(dir, 'berth.raw');
  await makeDisk(disk, 'berth', '3G', copy);
  rmSync(copy, { recursive: true });
  return disk;
}

/** What is committed, on a branch called main whatever it is called here. */
async function bundleOfHead(dir: string): Promise<Buffer> {
  const options = { cwd: dir, env: { PATH: '/usr/bin:/bin' } };
  const bundle = join(dir, 'head.bundle');
  await runCommandOk(['git', 'clone', '-q', '--bare', repository, 'head.git'], options);
  await runCommandOk(['git', '-C', 'head.git', 'branch', '-f', 'vm-main', 'HEAD'], options);
  await runCommandOk(['git', '-C', 'head.git', 'symbolic-ref', 'HEAD', 'refs/heads/vm-main'], options);
  await runCommandOk(['git', '-C', 'head.git', 'branch', '-M', 'vm-main', 'main'], options);
  await runCommandOk(['git', '-C', 'head.git', 'bundle', 'create', '-q', bundle, 'main'], options);
  const bytes = readFileSync(bundle);
  rmSync(bundle);
  rmSync(join(dir, 'head.git'), { recursive: true });
  return bytes;
}

process.exitCode = await main();
