// The versions of an artifact of Maven Central, as data for PlanContext.listVersions, and the choice among them. Used by maven.ts and tomcat.ts.
import type { PlanContext, VersionList } from '@berth/builder/plan/plan.ts';
import { AppError } from '@berth/kit/errors.ts';
import { compareVersions } from './jdk-version.ts';

/** For scripts: Maven Central, or the mirror of it that the sources table names. */
export const centralUrl = `\${MAVEN_MIRROR_URL:-https://repo.maven.apache.org/maven2}`;

/** `of` is what the user reads: "Tomcat". Milestones and candidates are left out. */
export function centralVersions(group: string, artifact: string, of: string): VersionList {
  return {
    name: `maven-${artifact}`,
    of,
    script: `curl -fsSL --retry 3 --max-time 60 "${centralUrl}/$ARTIFACT/maven-metadata.xml"`,
    env: { ARTIFACT: `${group.replaceAll('.', '/')}/${artifact}` },
    parse: (output) =>
      [...output.matchAll(/<version>(\d+(?:\.\d+)+)<\/version>/g)]
        .map(([, version = '']) => version)
        .sort(compareVersions),
  };
}

/** The newest version that begins with what is wished ("10.1", "9.0.98"); refused with the nearest when there is none. */
export async function newestOf(
  list: VersionList,
  wish: { raw: string; from: string },
  context: Pick<PlanContext, 'listVersions'>,
): Promise<string> {
  if (!/^\d+(\.\d+){0,3}$/.test(wish.raw))
    throw new AppError('invalid', `"${wish.raw}" in ${wish.from} is not a version of ${list.of}`, {
      hint: 'write a version, for example "10.1" or "3.9.9"',
    });
  const known = await context.listVersions(list);
  const found = known.filter((version) => version === wish.raw || version.startsWith(`${wish.raw}.`)).at(-1);
  if (found !== undefined) return found;
  throw new AppError('invalid', `there is no ${list.of} "${wish.raw}" (${wish.from})`, {
    hint: `nearest: ${nearest(known, wish.raw).join(', ')}`,
  });
}

/** Of the same line (first two numbers, else the first), else the newest there are. */
function nearest(known: readonly string[], wished: string): string[] {
  const parts = wished.split('.');
  for (const length of [2, 1]) {
    const line = known.filter((version) => version.startsWith(`${parts.slice(0, length).join('.')}.`));
    if (line.length > 0) return line.slice(-5).reverse();
  }
  return known.slice(-5).reverse();
}
