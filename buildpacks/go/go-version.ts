// Which Go builds an app: what the developer names (GOVERSION, Heroku's comment, .go-version, .tool-versions), else the toolchain and go lines of go.work and
// go.mod, else the newest. go.mod's lines are minima, so the newest patch of their line is taken. Used by facts.ts.
import type { PlanContext, VersionList } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import semver from 'semver';
import type { ModuleFile } from './go-mod.ts';

export interface GoChoice {
  version: string;
  /** For the user: `"go 1.23" in go.mod`. */
  askedBy: string | undefined;
  warnings: string[];
}

interface Wish {
  raw: string;
  from: string;
  /** A line of go.mod: any newer patch serves as well. */
  isMinimum: boolean;
}

/** Toolchains from here on know how to leave toolchains alone; Go's promise of compatibility covers what is older. */
const oldest = '1.21.0';

export async function chooseGo(
  tree: SourceTree,
  files: { path: string; file: ModuleFile }[],
  context: PlanContext,
): Promise<GoChoice> {
  const arch = context.arch === 'arm64' ? 'arm64' : 'amd64';
  const listed = (await context.listVersions(toolchainList(arch))).filter(
    (version) => semver.valid(version) && !semver.prerelease(version) && semver.gte(version, oldest),
  );
  const released = [...new Set(listed)].sort(semver.compare);
  const newest = released.at(-1);
  if (newest === undefined)
    throw new AppError('build_failed', 'GOPROXY lists no toolchain of Go', {
      hint: 'the host must reach a Go module proxy: see GOPROXY',
    });
  const wish = (await readWish(tree, files, context)) ?? minimumWish(files);
  if (!wish) return { version: newest, askedBy: undefined, warnings: [] };
  const askedBy = wish.from;
  if (/^(latest|stable|system)$/.test(wish.raw)) return { version: newest, askedBy, warnings: [] };
  const wanted = parseVersion(wish);
  if (semver.lt(wanted.version, oldest) && !wanted.isPrerelease) {
    const warnings = [`Go ${wish.raw} is no longer to be had: Go ${newest} builds the app`];
    return {
      version: newest,
      askedBy: wish.isMinimum ? `${askedBy}; the newest builds it` : askedBy,
      warnings: wish.isMinimum ? [] : warnings,
    };
  }
  const version = await findVersion(wish, wanted, released, context, arch);
  refuseTooOld(version, wish, files);
  return { version, askedBy, warnings: [] };
}

async function readWish(
  tree: SourceTree,
  files: { path: string; file: ModuleFile }[],
  context: PlanContext,
): Promise<Wish | undefined> {
  const named = (raw: string | undefined, from: string): Wish | undefined =>
    raw?.trim() ? { raw: raw.trim().replace(/^go(?=\d)/, ''), from, isMinimum: false } : undefined;
  const firstLine = (text: string | undefined) =>
    text
      ?.split('\n')
      .map((line) => line.replace(/#.*/, '').trim())
      .find((line) => line !== '');
  const tools = (await tree.readText('.tool-versions', 65_536)) ?? '';
  return (
    named(context.vars['GOVERSION'], 'the config var GOVERSION') ??
    files
      .map(({ path, file }) => named(file.herokuVersion, `"+heroku goVersion" in ${path}`))
      .find(Boolean) ??
    named(firstLine(await tree.readText('.go-version', 4096)), '.go-version') ??
    named(/^(?:golang|go)[ \t]+(\S+)/m.exec(tools)?.[1], '.tool-versions')
  );
}

/** The highest toolchain line, if it is above every go line; else the highest go line. */
function minimumWish(files: { path: string; file: ModuleFile }[]): Wish | undefined {
  const lines = files.flatMap(({ path, file }) => [
    ...(file.go ? [{ raw: file.go, from: `"go ${file.go}" in ${path}`, isMinimum: true }] : []),
    ...(file.toolchain
      ? [{ raw: file.toolchain, from: `"toolchain go${file.toolchain}" in ${path}`, isMinimum: true }]
      : []),
  ]);
  const valid = lines.map((line) => ({ line, at: parseVersion(line).version }));
  return valid.sort((a, b) => semver.rcompare(a.at, b.at))[0]?.line;
}

interface Wanted {
  /** Comparable: "1.23" is 1.23.0. */
  version: string;
  line: string;
  hasPatch: boolean;
  isPrerelease: boolean;
}

function parseVersion({ raw, from }: Wish): Wanted {
  const parts = /^(\d+)\.(\d+)(?:\.(\d+|x))?((?:rc|beta)\d+)?$/.exec(raw);
  if (!parts)
    throw new AppError('invalid', `"${raw}" (${from}) is not a version of Go`, {
      hint: 'write a version, for example "1.26" or "1.26.1"',
    });
  const [, major, minor, patch, pre] = parts;
  const hasPatch = patch !== undefined && patch !== 'x';
  return {
    version: `${major}.${minor}.${hasPatch ? patch : 0}`,
    line: `${major}.${minor}`,
    hasPatch,
    isPrerelease: pre !== undefined,
  };
}

async function findVersion(
  wish: Wish,
  wanted: Wanted,
  released: readonly string[],
  context: PlanContext,
  arch: string,
): Promise<string> {
  const sameLine = released.filter((version) => version.startsWith(`${wanted.line}.`));
  const isExact = (wanted.hasPatch && !wish.isMinimum) || (wanted.isPrerelease && !wish.isMinimum);
  if (!isExact) {
    const found = sameLine.filter((version) => semver.gte(version, wanted.version)).at(-1);
    if (found !== undefined) return found;
  } else if (released.includes(wanted.version) && !wanted.isPrerelease) return wanted.version;
  // A proxy lists only what it was asked for before.
  if (wanted.hasPatch || wanted.isPrerelease) {
    const [unlisted] = await context.listVersions(singleToolchain(wish.raw, arch));
    if (unlisted !== undefined) return unlisted;
  }
  const near = sameLine.length > 0 ? sameLine.slice(-5).reverse() : newestOfLines(released, wanted.version);
  throw new AppError('invalid', `there is no Go "${wish.raw}" (${wish.from})`, {
    hint: `nearest: ${near.join(', ')}`,
  });
}

/** The newest of each line, the nearest lines first. */
function newestOfLines(released: readonly string[], wanted: string): string[] {
  const newest = new Map(released.map((version) => [semver.minor(version), version]));
  const distance = (version: string) => Math.abs(semver.minor(version) - semver.minor(wanted));
  return [...newest.values()].sort((a, b) => distance(a) - distance(b)).slice(0, 5);
}

function refuseTooOld(version: string, wish: Wish, files: { path: string; file: ModuleFile }[]): void {
  for (const { path, file } of files) {
    if (!file.go) continue;
    const needed = parseVersion({ raw: file.go, from: path, isMinimum: true }).version;
    if (semver.gte(version, needed)) continue;
    throw new AppError('invalid', `${wish.from} asks for Go ${wish.raw}, but ${path} needs ${file.go}`, {
      hint: 'make the two agree and push again',
    });
  }
}

const listScript = `
for proxy in $(echo "\${GOPROXY:-https://proxy.golang.org}" | tr ',|' '  '); do
  case $proxy in http*) curl -fsSL --retry 2 --max-time 60 "$proxy/golang.org/toolchain/@v/list" && exit 0 ;; esac
done
exit 1
`;

function toolchainList(arch: string): VersionList {
  return {
    name: `go-toolchain-${arch}`,
    of: 'Go',
    script: listScript,
    env: {},
    parse: (output) =>
      output.split('\n').flatMap((line) => {
        const [, version, itsArch] = /^v0\.0\.1-go([\w.]+)\.linux-(\w+)$/.exec(line.trim()) ?? [];
        return version !== undefined && itsArch === arch ? [version.replace(/^\d+\.\d+$/, '$&.0')] : [];
      }),
  };
}

/** Whether one toolchain is there that the list does not name: its go.mod answers, or nothing does. */
function singleToolchain(version: string, arch: string): VersionList {
  return {
    name: `go-toolchain-${arch}-${version}`,
    of: 'Go',
    script: singleScript,
    env: { NAME: `v0.0.1-go${version}.linux-${arch}` },
    parse: (output) => (output.includes('found') ? [version] : []),
  };
}

const singleScript = `
for proxy in $(echo "\${GOPROXY:-https://proxy.golang.org}" | tr ',|' '  '); do
  case $proxy in http*) ;; *) continue ;; esac
  status=$(curl -sSL -o /dev/null -w '%{http_code}' --retry 2 --max-time 60 "$proxy/golang.org/toolchain/@v/$NAME.mod")
  case $status in 200) echo found; exit 0 ;; 403|404|410) ;; *) exit 1 ;; esac
done
`;
