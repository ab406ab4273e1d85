// Takes out of a command's output what no two runs share: ids, times, addresses, widths of columns. Must keep everything else, so that
// a difference between two engines stays one.
const rules: [RegExp, string][] = [
  [/\r\n/g, '\n'],
  [/\b[0-9a-f]{64}\b/g, '<id>'],
  [/\b[0-9a-f]{12}\b/g, '<short id>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d)?( [A-Z]{3,4})?/g, '<time>'],
  [/\b(Less than a second|About an? \w+|\d+ (second|minute|hour|day|week|month)s?)( ago)?/g, '<while>'],
  [/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>'],
  [/\b(172\.(1[6-9]|2\d|3[01])|10\.20\d)\.\d+\.\d+\b/g, '<address>'],
  [/(?<=:)(3[2-9]|[45]\d|6[0-5])\d{3}\b/g, '<port>'],
  [/[ \t]+/g, ' '],
  [/ $/gm, ''],
];

/** `dir` and `ports` are what stood for $dir and $port in the command. */
export function normalise(text: string, dir: string, ports: string): string {
  const own = text.replaceAll(dir, '$dir').replaceAll(new RegExp(`\\b${ports}(?=\\d\\b)`, 'g'), '$$port');
  return rules.reduce((result, [what, by]) => result.replace(what, by), own);
}

/** The names of everything in a JSON document, with the kind of its value, sorted: its shape. */
export function shape(text: string): string {
  const names = new Set<string>();
  collect(JSON.parse(text), '', names);
  return [...names].sort().join('\n');
}

function collect(value: unknown, path: string, names: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) collect(item, `${path}[]`, names);
  else if (typeof value === 'object' && value !== null)
    for (const [name, item] of Object.entries(value)) collect(item, `${path}.${name}`, names);
  else names.add(`${path}: ${value === null ? 'null' : typeof value}`);
}

/** A table's lines in an order that does not depend on when they were made. */
export function sorted(text: string): string {
  return `${text.trimEnd().split('\n').sort().join('\n')}\n`;
}
