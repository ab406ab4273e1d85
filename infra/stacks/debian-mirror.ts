// Finds the Debian mirror this machine is set up for, so that the stack comes from where the machine's own packages come from.
// Used by make-stack.ts. A machine that is not Debian gets Debian's own.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const debianMirror = 'http://deb.debian.org/debian';

export function findMirror(aptDir: string): string {
  for (const text of sourceTexts(aptDir)) {
    const mirror = mirrorIn(text);
    if (mirror !== undefined) return mirror;
  }
  return debianMirror;
}

function sourceTexts(aptDir: string): string[] {
  const texts: string[] = [];
  const add = (file: string) => {
    try {
      texts.push(readFileSync(file, 'utf8'));
    } catch {
      // No such file: most machines have either the one or the other form.
    }
  };
  add(join(aptDir, 'sources.list'));
  try {
    for (const name of readdirSync(join(aptDir, 'sources.list.d')).sort())
      if (/\.(list|sources)$/.test(name)) add(join(aptDir, 'sources.list.d', name));
  } catch {
    // No folder, no sources.
  }
  return texts;
}

/** The first archive whose path ends in /debian, from one-line (`deb URI suite`) or deb822 (`URIs:`) form. */
export function mirrorIn(text: string): string | undefined {
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line.startsWith('#')) continue;
    const words = line.startsWith('deb ') || line.startsWith('URIs:') ? line.split(/\s+/) : [];
    const uri = words.find((word) => /^https?:\/\/\S+\/debian\/?$/.test(word));
    if (uri !== undefined) return uri.replace(/\/$/, '');
  }
  return undefined;
}
