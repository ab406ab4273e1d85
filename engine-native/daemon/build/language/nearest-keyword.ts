// "Did you mean …?": the keyword that is at most two typing errors away. Pure.

const farthest = 2;

export function nearestKeyword(word: string, keywords: string[]): string | undefined {
  if (word.length > 20) return undefined;
  const [best] = keywords
    .map((keyword) => ({ keyword, distance: distance(word, keyword) }))
    .filter((one) => one.distance <= Math.min(farthest, word.length - 1))
    .sort((a, b) => a.distance - b.distance || likeness(b.keyword, word) - likeness(a.keyword, word));
  return best?.keyword;
}

/** Of two at the same distance the one that begins alike is meant. */
function likeness(keyword: string, word: string): number {
  return keyword.charAt(0) === word.charAt(0) ? 1 : 0;
}

/** Levenshtein's, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a.charAt(i - 1) === b.charAt(j - 1) ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
