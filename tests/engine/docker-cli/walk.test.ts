// The docker CLI's walk through every command and flag: what each has to say and to return is checked on the engine, and compared with what
// Debian's dockerd says to the same command. Every difference is in DIFFERENCES.md, with a sentence why it may stay; another one fails.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { chapters, steps } from './chapters.ts';
import { compareWithList, findDifferences, parse } from './differences.ts';
import { noDockerd, startBerth, startDockerd } from './engines.ts';
import { nameOf, type Step } from './step.ts';
import { type Said, type Walked, walk } from './walker.ts';

interface Round {
  ours: Walked;
  theirs: Walked | undefined;
}

/** One, or two when the first one had complaints. What only one of two says was chance: a busy machine, a map that Go walks in any order. */
const rounds: Round[] = [];

async function walkBerth(): Promise<Walked> {
  const { engine, walked } = await startBerth();
  try {
    return await walk(walked, steps);
  } finally {
    await engine.close();
  }
}

async function walkDockerd(): Promise<Walked> {
  const { daemon, walked } = await startDockerd();
  try {
    return await walk(walked, steps, true);
  } finally {
    await daemon.stop();
  }
}

async function takeRound(): Promise<Round> {
  const [ours, theirs] = await Promise.all([walkBerth(), noDockerd === false ? walkDockerd() : undefined]);
  return { ours, theirs };
}

before(async () => {
  rounds.push(await takeRound());
  if (Object.keys(chapters).some((chapter) => wrongIn(chapter).length > 0) || unlisted().length > 0)
    rounds.push(await takeRound());
});

describe('every command of the docker CLI says and returns what it has to', () => {
  for (const chapter of Object.keys(chapters))
    test(chapter, () => {
      assert.deepEqual(wrongIn(chapter), []);
    });
});

test('what Docker says otherwise is a list of judged differences', { skip: noDockerd }, () => {
  assert.equal(unlisted().join('\n\n'), '', 'judge them with write-differences.ts');
});

function wrongIn(chapter: string): string[] {
  const list = chapters[chapter] ?? [];
  return inEveryRound(({ ours }) => list.flatMap((step) => complaints(step, ours.get(nameOf(step)))));
}

function unlisted(): string[] {
  if (noDockerd !== false) return [];
  const { differences } = parse(readFileSync(join(import.meta.dirname, 'DIFFERENCES.md'), 'utf8'));
  return inEveryRound(({ ours, theirs }) =>
    compareWithList(findDifferences(theirs ?? new Map<string, Said>(), ours), differences),
  );
}

/** The last round's complaints that every round has: the same step, whatever it said. */
function inEveryRound(complaintsOf: (round: Round) => string[]): string[] {
  const about = (complaint: string) => complaint.split('\n', 1)[0]?.split(': {"', 1)[0] ?? '';
  const [last = [], ...earlier] = rounds.map(complaintsOf).toReversed();
  return last.filter((one) => earlier.every((others) => others.some((other) => about(other) === about(one))));
}

function complaints(step: Step, said: Said | undefined): string[] {
  if (!said) return [`${nameOf(step)}: not taken`];
  const { code = 0, out, err } = step;
  const holds = (text: string, wanted: string | RegExp | undefined) =>
    wanted === undefined || (typeof wanted === 'string' ? text === wanted : wanted.test(text));
  if (said.code === code && holds(said.out, out) && holds(said.err, err)) return [];
  return [`${nameOf(step)}: ${JSON.stringify(said)}; wanted: ${code} ${out ?? ''} ${err ?? ''}`];
}
