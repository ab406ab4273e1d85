// The differences between what two engines say at the same steps, as DIFFERENCES.md keeps them: a section a step, what Docker says and
// what Berth says line by line, and a sentence of judgement. Pure.
import type { Said, Walked } from './walker.ts';

/** Docker 20.10 begins its sentences with a capital, Docker 28 does not. */
const firstLetter = /(?<=daemon: )[A-Z](?=[a-z])/;

export const unjudged = 'NOT JUDGED YET';

export interface Difference {
  step: string;
  /** Lines that only Docker says, each with "- ", and lines that only Berth says, each with "+ ". */
  lines: string[];
  judgement: string;
}

export function findDifferences(docker: Walked, berth: Walked): Difference[] {
  const found: Difference[] = [];
  for (const [step, said] of berth) {
    const peer = docker.get(step);
    const lines = peer ? diffLines(linesOf(peer), linesOf(said)) : [];
    if (lines.length > 0) found.push({ step, lines, judgement: unjudged });
  }
  return found;
}

function linesOf({ code, out, err }: Said): string[] {
  const told = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(firstLetter, (letter) => letter.toLowerCase()));
  return [
    ...told(out),
    ...told(err).map((line) => `stderr: ${line}`),
    ...(code === 0 ? [] : [`exit ${code}`]),
  ];
}

/** What the longest common subsequence leaves out, in order. */
function diffLines(before: string[], after: string[]): string[] {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--)
    for (let k = after.length - 1; k >= 0; k--)
      common[i * width + k] =
        before[i] === after[k]
          ? (common[(i + 1) * width + k + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + k] ?? 0, common[i * width + k + 1] ?? 0);
  const lines: string[] = [];
  let i = 0;
  let k = 0;
  while (i < before.length || k < after.length) {
    if (i < before.length && k < after.length && before[i] === after[k]) {
      i++;
      k++;
    } else if (
      k >= after.length ||
      (i < before.length && (common[(i + 1) * width + k] ?? 0) >= (common[i * width + k + 1] ?? 0))
    )
      lines.push(`- ${before[i++]}`);
    else lines.push(`+ ${after[k++]}`);
  }
  return lines;
}

export function format(differences: readonly Difference[]): string {
  return differences
    .map(
      ({ step, lines, judgement }) => `## ${step}\n\`\`\`diff\n${lines.join('\n')}\n\`\`\`\n${judgement}\n`,
    )
    .join('\n');
}

/** Reads the list back; what comes before its first section is a text for readers. */
export function parse(text: string): { preface: string; differences: Difference[] } {
  const [preface = '', ...sections] = text.split(/^## (?=docker )/m);
  return { preface, differences: sections.map(parseSection) };
}

function parseSection(section: string): Difference {
  const [, step = '', lines = '', judgement = ''] =
    /^([^\n]*)\n```diff\n(.*?)\n```\n(.*)$/s.exec(section) ?? [];
  if (step === '')
    throw new Error(`DIFFERENCES.md has a section that cannot be read: ${section.slice(0, 80)}`);
  return { step, lines: lines.split('\n'), judgement: judgement.trim() };
}

/** One sentence for each difference that nobody has judged, and for each judged one that is none any more. */
export function compareWithList(found: readonly Difference[], listed: readonly Difference[]): string[] {
  const known = new Map(listed.map((difference) => [difference.step, difference]));
  const fresh = found.flatMap(({ step, lines }) => {
    const entry = known.get(step);
    known.delete(step);
    if (entry?.lines.join('\n') === lines.join('\n') && entry.judgement !== unjudged) return [];
    return [
      `${entry ? 'another difference than the listed one' : 'a difference that is not listed'}: ${step}\n${lines.join('\n')}`,
    ];
  });
  return [...fresh, ...[...known.keys()].map((step) => `listed, but no difference any more: ${step}`)];
}
