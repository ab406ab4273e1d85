// Images for the attacks of this folder: the guest, the attacker beside it, and whatever links and files a test plants.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestEngine } from '../engine-harness.ts';
import { guestTar } from '../engine-harness.ts';
import { type Entry, makeTar } from '../make-tar.ts';

/** The static program of attacker.c, made once in `dir`. */
export function attackerProgram(dir: string): Buffer {
  const program = join(dir, 'attacker');
  if (!existsSync(program))
    execFileSync('cc', ['-static', '-O1', '-o', program, join(import.meta.dirname, 'attacker.c')]);
  return readFileSync(program);
}

/** An image of the guest's files with `entries` over them; a planted entry that replaces a folder of the guest leaves that one out. Its layers. */
export async function makeHostileImage(engine: TestEngine, tag: string, entries: Entry[]): Promise<string[]> {
  const attacker: Entry = { name: 'attacker', mode: 0o755, content: attackerProgram(engine.dir) };
  const tars = [guestTar(engine.dir), makeTar([attacker, ...entries])];
  const layers: string[] = [];
  for (const tar of tars) layers.push((await engine.client.makeLayer(Readable.from([tar]), {})).diffId);
  const config = { architecture: 'amd64', os: 'linux', config: { Cmd: ['/guest', 'id'] } };
  await engine.client.makeImage({ config, layers, tags: [tag] });
  return layers;
}
