// Walks both engines and writes DIFFERENCES.md anew, keeping the judgements of what has not changed: node write-differences.ts
// Run it after a change of what the engine says, then judge what is new.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { steps } from './chapters.ts';
import { findDifferences, format, parse } from './differences.ts';
import { startBerth, startDockerd } from './engines.ts';
import { walk } from './walker.ts';

const path = join(import.meta.dirname, 'DIFFERENCES.md');
const { preface, differences: listed } = parse(readFileSync(path, 'utf8'));
const berth = await startBerth();
const docker = await startDockerd().catch(async (error: unknown) => {
  await berth.engine.close();
  throw error;
});
try {
  const [ours, theirs] = await Promise.all([walk(berth.walked, steps), walk(docker.walked, steps, true)]);
  const judgements = new Map(listed.map((one) => [one.step + one.lines.join('\n'), one.judgement]));
  const found = findDifferences(theirs, ours).map((one) => ({
    ...one,
    judgement: judgements.get(one.step + one.lines.join('\n')) ?? one.judgement,
  }));
  writeFileSync(path, preface + format(found));
} finally {
  await docker.daemon.stop();
  await berth.engine.close();
}
