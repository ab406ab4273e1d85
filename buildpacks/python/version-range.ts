// Version ranges as Python projects write them: PEP 440 (`>=3.11,<4`, `~=3.12`, `==3.12.*`) and Poetry's (`^3.12`, `~3.12`, `3.11 || 3.13`).
// Pure; used by python-version.ts.

type Release = readonly number[];

interface Clause {
  operator: string;
  release: Release;
  anyBelow: boolean;
}

const clausePattern =
  /^(===|==|~=|!=|<=|>=|<|>|\^|~|)\s*v?(\d+(?:\.\d+){0,3})(\.\*)?(?:\.?(?:a|b|rc|dev|post)\d*)?$/;
/** Longer texts are no range; splitting them costs time. */
const maxChars = 200;

export type VersionRange = (version: string) => boolean;

/** Undefined: the text is no range. */
export function parseRange(text: string): VersionRange | undefined {
  if (text.length > maxChars) return undefined;
  const alternatives = text.split('||').map(parseClauses);
  if (alternatives.some((clauses) => clauses === undefined)) return undefined;
  return (version) => {
    const release = releaseOf(version);
    return alternatives.some((clauses) => clauses?.every((clause) => holds(release, clause)));
  };
}

export function releaseOf(version: string): Release {
  return version.split('.').map(Number);
}

export function compareReleases(a: Release, b: Release): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function parseClauses(text: string): Clause[] | undefined {
  const parts = text
    .trim()
    .replaceAll(/([<>=~!^])\s+/g, '$1')
    .split(/[\s,]+/)
    .filter((part) => part !== '');
  const clauses: Clause[] = [];
  for (const part of parts) {
    if (part === '*') continue;
    const found = clausePattern.exec(part);
    if (!found) return undefined;
    clauses.push({
      operator: found[1] ?? '',
      release: releaseOf(found[2] ?? ''),
      anyBelow: found[3] !== undefined,
    });
  }
  return parts.length === 0 ? undefined : clauses;
}

function holds(version: Release, { operator, release, anyBelow }: Clause): boolean {
  const compared = compareReleases(version, release);
  switch (operator) {
    case '>=':
      return compared >= 0;
    case '>':
      return compared > 0;
    case '<=':
      return compared <= 0;
    case '<':
      return compared < 0;
    case '!=':
      return !(anyBelow ? startsWith(version, release) : compared === 0);
    case '~=':
      return compared >= 0 && startsWith(version, release.slice(0, -1));
    case '^':
      return compared >= 0 && startsWith(version, release.slice(0, 1));
    case '~':
      return compared >= 0 && startsWith(version, release.slice(0, 2));
    default:
      // "==3.12" asks for the line 3.12, as everybody who writes it means.
      return startsWith(version, release);
  }
}

function startsWith(version: Release, prefix: Release): boolean {
  return prefix.every((part, index) => version[index] === part);
}
