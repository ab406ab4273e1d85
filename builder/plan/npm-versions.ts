// The versions of an npm package, as data for PlanContext.listVersions. Used by drivers whose runtime or package manager npm has.
import type { VersionList } from './plan.ts';

/** `of` is what the user reads: "Node.js". */
export function npmVersions(packageName: string, of: string): VersionList {
  return {
    name: packageName.replace(/^@/, '').replaceAll('/', '-'),
    of,
    script: 'npm view "$PACKAGE" versions --json 2>/tmp/errors || { cat /tmp/errors; exit 1; }',
    env: { PACKAGE: packageName },
    parse: (output) => {
      const parsed: unknown = JSON.parse(output);
      return Array.isArray(parsed) ? parsed.filter((version) => typeof version === 'string') : [];
    },
  };
}
