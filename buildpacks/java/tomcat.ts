// Which Tomcat runs a WAR: what TOMCAT_VERSION asks for, else what fits the servlet API that the app is written for. Used by driver.ts.
import { posix } from 'node:path';
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { centralVersions, newestOf } from './central-versions.ts';
import { type Dependency, majorOf } from './pom.ts';

export interface TomcatChoice {
  version: string;
  api: 'javax' | 'jakarta';
  askedBy: string;
}

type Line = '9.0' | '10.1' | '11.0';

/** The newest of each line when this was written; a newer one by TOMCAT_VERSION ("11" is the newest there is). */
const pinned: Record<Line, string> = { '9.0': '9.0.117', '10.1': '10.1.59', '11.0': '11.0.24' };
const variable = 'the config var TOMCAT_VERSION';

/** The config var, or the same name in berth.toml's environment. */
export function tomcatWish({ vars, manifest }: Pick<PlanContext, 'vars' | 'manifest'>): string | undefined {
  return (vars['TOMCAT_VERSION'] ?? manifest?.env['TOMCAT_VERSION'])?.trim() || undefined;
}

export async function chooseTomcat(
  tree: SourceTree,
  parts: { wars: readonly string[]; dependencies: readonly Dependency[] },
  context: PlanContext,
): Promise<TomcatChoice> {
  const raw = tomcatWish(context);
  if (raw) {
    const tomcats = centralVersions('org.apache.tomcat', 'tomcat', 'Tomcat');
    const version = await newestOf(tomcats, { raw, from: variable }, context);
    if (majorOf(version) < 9)
      throw new AppError('invalid', `Tomcat ${version} (${variable}) gets no fixes any more`, {
        hint: 'set it to 9, 10.1 or 11',
      });
    return { version, api: majorOf(version) < 10 ? 'javax' : 'jakarta', askedBy: variable };
  }
  const found =
    byDependencies(parts.dependencies) ?? (await byWebXml(tree, parts.wars)) ?? (await bySource(tree));
  const { line, why } = found ?? {
    line: '10.1' as const,
    why: `nothing names a servlet API; ask by ${variable}`,
  };
  return { version: pinned[line], api: line === '9.0' ? 'javax' : 'jakarta', askedBy: why };
}

interface Found {
  line: Line;
  why: string;
}

/** The artifact that says it best is the servlet API itself; the platform APIs have numbers of their own. */
function byDependencies(dependencies: readonly Dependency[]): Found | undefined {
  const servlet = dependencies.find(
    ({ artifact }) => /^(?:javax|jakarta)\.servlet-api$/.test(artifact) || artifact === 'servlet-api',
  );
  if (servlet) {
    const isJavax = !servlet.group.startsWith('jakarta') || /^[1-4]\./.test(servlet.version ?? '');
    const is61 = /^(?:6\.[1-9]|[7-9])/.test(servlet.version ?? '');
    const line = isJavax ? '9.0' : is61 ? '11.0' : '10.1';
    return { line, why: `for ${[servlet.artifact, servlet.version].filter(Boolean).join(' ')}` };
  }
  const platform = dependencies.find(({ artifact }) =>
    /^(?:javaee|jakarta\.jakartaee)-(?:web-)?api$/.test(artifact),
  );
  if (!platform) return undefined;
  const major = majorOf(platform.version ?? '');
  const line = platform.artifact.startsWith('javaee') || major <= 8 ? '9.0' : major >= 11 ? '11.0' : '10.1';
  return { line, why: `for ${[platform.artifact, platform.version].filter(Boolean).join(' ')}` };
}

async function byWebXml(tree: SourceTree, wars: readonly string[]): Promise<Found | undefined> {
  for (const folder of wars) {
    const path = posix.join(folder, 'src/main/webapp/WEB-INF/web.xml');
    const text = await tree.readText(path, 4 * 1024 * 1024);
    const root = text === undefined ? undefined : /<web-app\b[^>]*>/.exec(text)?.[0];
    if (root === undefined) continue;
    const version = /\bversion\s*=\s*["']([\d.]+)/.exec(root)?.[1] ?? '';
    if (!/jakarta\.ee/.test(root)) return { line: '9.0', why: `for ${path}` };
    return { line: /^(?:6\.[1-9]|[7-9])/.test(version) ? '11.0' : '10.1', why: `for ${path}` };
  }
  return undefined;
}

/** A hundred classes of the web layer are enough to meet one that imports it. */
const maxSources = 100;

async function bySource(tree: SourceTree): Promise<Found | undefined> {
  const sources = [...tree.entries.keys()].filter((path) => /(?:^|\/)src\/main\/.*\.java$/.test(path));
  for (const path of sources.slice(0, maxSources)) {
    const api = /^import\s+(?:static\s+)?(javax|jakarta)\.servlet\./m.exec(
      (await tree.readText(path)) ?? '',
    )?.[1];
    if (api) return { line: api === 'javax' ? '9.0' : '10.1', why: `for ${api}.servlet in ${path}` };
  }
  return undefined;
}
