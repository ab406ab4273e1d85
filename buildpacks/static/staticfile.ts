// Reads a Staticfile (Cloud Foundry's file for sites; other platforms took it over) for driver.ts: `name: value` lines and nothing deeper.
// Must never leave a line unsaid: what the server cannot do becomes a problem, a sentence for the pusher.

export interface Staticfile {
  /** The folder that is served, as it is written; undefined: the usual ones are looked through. */
  root: string | undefined;
  /** Unknown paths get index.html. */
  singlePage: boolean;
  problems: string[];
}

const yes = /^(true|enabled|yes|on)$/i;

export function parseStaticfile(text: string): Staticfile {
  const read: Staticfile = { root: undefined, singlePage: false, problems: [] };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)#.*$/, '').trimEnd();
    if (line.trim() === '' || line === '---') continue;
    const problem = takeLine(read, line);
    if (problem !== undefined) read.problems.push(`Staticfile line ${index + 1}: ${problem}`);
  }
  return read;
}

function takeLine(read: Staticfile, line: string): string | undefined {
  const { name, value } = /^(?<name>[\w-]+):\s+["']?(?<value>[^"']+)["']?$/.exec(line)?.groups ?? {};
  if (name === undefined || value === undefined) return `"${line.trim()}" is not understood`;
  const isOn = yes.test(value);
  switch (name) {
    case 'root':
      read.root = value;
      return undefined;
    case 'pushstate':
    case 'index_fallback':
      read.singlePage = isOn;
      return undefined;
    // The server compresses in any case; the others are off unless they are asked for.
    case 'gzip':
      return undefined;
    default:
      return isOn || !/^(false|disabled|no|off)$/i.test(value) ? `"${name}" cannot be honoured` : undefined;
  }
}
