// The docker CLI's walk through every command and flag: what each has to say and to return is checked on the engine, and compared with what
// Debian's dockerd says to the same command. Every difference is in DIFFERENCES.md, with a sentence why it may stay; another one fails.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TestEngine } from '../engine-harness.ts';
import { chapters, steps } from './chapters.ts';
import { compareWithList, findDifferences, parse } from './differences.ts';
import type { Dockerd } from './dockerd.ts';
import { noDockerd, startBerth, startDockerd } from './engines.ts';
import { nameOf, type Step } from './step.ts';
import { type Said, type Walked, walk } from './walker.ts';

let engine: TestEngine | undefined;
let daemon: Dockerd | undefined;
let ours: Walked;
let theirs: Walked | undefined;

async function walkBerth(): Promise<void> {
  const berth = await startBerth();
  engine = berth.engine;
  ours = await walk(berth.walked, steps);
}

async function walkDockerd(): Promise<void> {
  const docker = await startDockerd();
  daemon = docker.daemon;
  theirs = await walk(docker.walked, steps, true);
}

before(async () => {
  await Promise.all([walkBerth(), noDockerd === false ? walkDockerd() : undefined]);
});

after(async () => {
  await daemon?.stop();
  await engine?.close();
});

describe('every command of the docker CLI says and returns what it has to', () => {
  for (const [chapter, list] of Object.entries(chapters))
    test(chapter, () => {
      const wrong = list.flatMap((step) => complaints(step, ours.get(nameOf(step))));
      assert.deepEqual(wrong, []);
    });
});

test('what Docker says otherwise is a list of judged differences', { skip: noDockerd }, () => {
  const { differences } = parse(readFileSync(join(import.meta.dirname, 'DIFFERENCES.md'), 'utf8'));
  const complaints = compareWithList(findDifferences(theirs ?? new Map<string, Said>(), ours), differences);
  assert.equal(complaints.join('\n\n'), '', 'judge them with write-differences.ts');
});

function complaints(step: Step, said: Said | undefined): string[] {
  if (!said) return [`${nameOf(step)}: not taken`];
  const { code = 0, out, err } = step;
  const holds = (text: string, wanted: string | RegExp | undefined) =>
    wanted === undefined || (typeof wanted === 'string' ? text === wanted : wanted.test(text));
  if (said.code === code && holds(said.out, out) && holds(said.err, err)) return [];
  return [`${nameOf(step)}: ${JSON.stringify(said)}; wanted: ${code} ${out ?? ''} ${err ?? ''}`];
}
