// The Go driver: go.mod (or go.work) → toolchain and modules, which stay behind, and below the image only the source and the binaries in /app/bin.
// See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { explainGo } from './explain.ts';
import { type Facts, readFacts } from './facts.ts';
import { processTypes } from './process-types.ts';
import { goEnv, goPath, toolchainLayers } from './toolchain-layers.ts';

export const goDriver: Driver = { name: 'go', version: 1, detect, plan };

/** The older ways to name dependencies are recognised so that the refusal can say what to do. */
const marks = [
  'go.mod',
  'go.work',
  'main.go',
  'Gopkg.lock',
  'Godeps/Godeps.json',
  'vendor/vendor.json',
  'glide.yaml',
];

async function detect(tree: SourceTree): Promise<string | undefined> {
  return marks.some((path) => tree.has(path)) ? 'Go' : undefined;
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree, context);
  const { go, commands } = facts;
  const defaults = processTypes(facts);
  const warnings = [
    ...go.warnings,
    ...(facts.needsModules && !facts.hasSums
      ? ['go.sum is not in the commit: run "go mod tidy" and commit it, so that modules are checked']
      : []),
    ...(defaults['web'] === undefined && !tree.has('Procfile') && !context.isPart
      ? [
          `no command is named "web", "server" or "${facts.appName}": name the web process in a Procfile ("web: bin/${commands[0]?.name}")`,
        ]
      : []),
  ];
  return {
    language: 'Go',
    details: [
      `Go ${go.version} (${go.askedBy ?? 'the newest; ask for another with "go 1.N" in go.mod'})`,
      `Commands: ${commands.map(({ name }) => name).join(', ')}${facts.usesC ? ' (with a C compiler)' : ''}`,
    ],
    warnings,
    layers: [
      ...toolchainLayers(go.version, context.arch),
      ...(facts.needsModules ? [downloadStep(facts)] : []),
      { kind: 'source', id: 'source', inImage: true, leaveOut: [] },
      buildStep(facts),
    ],
    defaultProcessTypes: defaults,
    env: {},
    path: ['/app/bin'],
    varsMatter: true,
  };
}

const appStep: Pick<RunLayer, 'kind' | 'scope' | 'path' | 'explain' | 'quiet'> = {
  kind: 'run',
  scope: 'app',
  path: goPath,
  explain: explainGo,
  quiet: false,
};

/** A script without a proxy of the operator's must not turn to git servers, which need git: a module that does not exist is told by the proxy. */
const withProxy = `
: "\${GOPROXY:=https://proxy.golang.org}"
export GOPROXY
`;

function downloadStep(facts: Facts): PlannedLayer {
  const { tree, moduleFiles } = facts;
  return {
    ...appStep,
    id: 'dependencies',
    inImage: false,
    title: 'Downloading modules',
    cachedTitle: 'Restoring modules (unchanged)',
    step: 'dependencies',
    on: ['runtime'],
    key: moduleFiles.map((path) => `${path} ${tree.entries.get(path)?.oid}`),
    files: moduleFiles,
    stack: facts.needsGit ? 'build' : 'run',
    user: 'root',
    script: `${withProxy}${downloadScript}`,
    env: { ...goEnv, GOMODCACHE: modulesFolder, GOFLAGS: '-modcacherw' },
    vars: 'install',
    caches: { 'go-modules': '/cache/go-modules' },
    keep: modulesFolder,
    leaveOut: [],
  };
}

const modulesFolder = '/opt/berth/go-modules';

/**
 * Archives of earlier downloads are a proxy of their own, asked first; what comes out of it is checked as everything else is. It is whole or not used: a
 * build that was killed while copying leaves no mark. The layer keeps what is unpacked, without the archives.
 */
const downloadScript = `
kept=/cache/go-modules
[ -e "$kept/whole" ] || rm -rf "$kept"/*
GOPROXY="file://$kept/modules,$GOPROXY" go mod download
rm -f "$kept/whole"
mkdir -p "$kept/modules"
cp -r --update=none "$GOMODCACHE/cache/download/." "$kept/modules/"
touch "$kept/whole"
find "$GOMODCACHE/cache/download" -name '*.zip' -delete
chown -R app:app "$GOMODCACHE"
`;

function buildStep(facts: Facts): PlannedLayer {
  const { commands, usesC, isVendored, isWorkspace, needsModules, hasSums } = facts;
  const mode = isWorkspace ? '' : isVendored ? 'vendor' : needsModules && !hasSums ? 'mod' : '';
  const hasHook = ['bin/go-pre-compile', 'bin/go-post-compile'].some((path) => facts.tree.has(path));
  return {
    ...appStep,
    id: 'output',
    inImage: true,
    title: `Compiling ${commands.map(({ name }) => name).join(', ')}`,
    step: 'build',
    on: ['runtime', 'standard-library', ...(needsModules ? ['dependencies'] : []), 'source'],
    key: [mode, ...commands.map((command) => command.package)],
    files: [],
    stack: usesC || facts.needsGit ? 'build' : 'run',
    user: 'app',
    script: `${withProxy}${buildScript}`,
    env: {
      ...goEnv,
      CGO_ENABLED: usesC ? '1' : '0',
      GOCACHE: '/cache/go-build',
      GOMODCACHE: modulesFolder,
      PACKAGES: commands.map((command) => command.package).join(' '),
      MOD: mode,
      TOOLCHAIN: facts.go.version,
    },
    vars: hasHook ? 'all' : 'install',
    caches: { 'go-build': '/cache/go-build' },
    keep: '/app',
    leaveOut: ['go.mod', 'go.sum'],
  };
}

/** $PACKAGES is a list of words that the driver has checked. A cache that has not met this toolchain begins with its compiled standard library. */
const buildScript = `
set -f
if [ ! -e "$GOCACHE/begun-$TOOLCHAIN" ]; then
  cp -r --update=none /opt/berth/go-standard-library/. "$GOCACHE/"
  touch "$GOCACHE/begun-$TOOLCHAIN"
fi
[ ! -x bin/go-pre-compile ] || bin/go-pre-compile
set -- -trimpath -buildvcs=false
[ -z "$MOD" ] || set -- "$@" "-mod=$MOD"
case "$GOFLAGS" in
  *-ldflags*) ;;
  *)
    symbols='-s -w'
    [ -z "$GO_LINKER_SYMBOL" ] || symbols="$symbols -X '$GO_LINKER_SYMBOL=$GO_LINKER_VALUE'"
    set -- "$@" -ldflags "$symbols"
    ;;
esac
mkdir -p bin
go build "$@" -o bin/ $PACKAGES
[ ! -x bin/go-post-compile ] || bin/go-post-compile
`;
