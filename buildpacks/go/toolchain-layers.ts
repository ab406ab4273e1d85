// The layers below a Go build: the toolchain, and the standard library compiled once for everybody. Used by driver.ts; none is in an image.
// The same for every app that asks for the same version, so no config var may reach them.
import { readFileSync } from 'node:fs';
import type { PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { explainToolchain } from './explain.ts';

export const goPath = ['/opt/berth/go/bin'];

/** The go command as we want it everywhere. It would skip reading a file that has the size and time of an earlier one: our files all have the commit's time. */
export const goEnv = {
  GOTOOLCHAIN: 'local',
  GOENV: 'off',
  GODEBUG: 'goindex=0',
  GOTELEMETRY: 'off',
};

export function toolchainLayers(version: string, arch: PlanContext['arch']): PlannedLayer[] {
  const env = { GO_VERSION: version, GO_ARCH: arch === 'arm64' ? 'arm64' : 'amd64' };
  const platformStep: Omit<RunLayer, 'id' | 'title' | 'on' | 'key' | 'script' | 'env' | 'path'> = {
    kind: 'run',
    inImage: false,
    step: 'runtime',
    scope: 'platform',
    files: [],
    stack: 'run',
    user: 'root',
    vars: 'none',
    caches: {},
    keep: '/opt/berth/go',
    leaveOut: [],
    quiet: true,
  };
  return [
    { kind: 'seed', id: 'toolbox', inImage: false, part: 'runtime', prefix: '/opt/berth/toolbox' },
    { kind: 'files', id: 'tools', inImage: false, files: fetchTools() },
    {
      ...platformStep,
      id: 'runtime',
      title: `Installing Go ${version}`,
      on: ['toolbox', 'tools'],
      key: [JSON.stringify(env)],
      script: 'node /opt/berth/go-tools/fetch-toolchain.ts "$GO_VERSION" "$GO_ARCH" "$GOPROXY" "$GOSUMDB"',
      env: { ...env, NODE_USE_ENV_PROXY: '1' },
      path: ['/opt/berth/toolbox/bin'],
      caches: { go: '/cache/go' },
      explain: explainToolchain(version),
    },
    {
      ...platformStep,
      id: 'standard-library',
      title: 'Compiling the standard library (once a version)',
      on: ['runtime'],
      key: [],
      script: standardLibraryScript,
      env: { ...goEnv, CGO_ENABLED: '0', GOCACHE: '/opt/berth/go-standard-library' },
      path: goPath,
      keep: '/opt/berth/go-standard-library',
    },
  ];
}

/** What nearly every web app imports; the rest, and what differs with a C compiler, is compiled when an app first needs it. The flags are those of an app's build, or the result would not be used. */
const standardLibraryScript = `
cd /opt/berth/go/src
go build -trimpath -buildvcs=false net/http encoding/... html/template database/sql log/slog embed os/exec os/signal mime/multipart
rm -rf /opt/berth/go-standard-library/fuzz
`;

/** The platform's Node runs TypeScript as it is. */
function fetchTools(): { path: string; mode: number; content: string }[] {
  const sources = ['fetch-toolchain.ts', 'checksum-database.ts', 'module-zip.ts'].map((name) => ({
    path: `opt/berth/go-tools/${name}`,
    mode: 0o644,
    content: readFileSync(new URL(name, import.meta.url), 'utf8'),
  }));
  return [
    ...sources,
    { path: 'opt/berth/go-tools/package.json', mode: 0o644, content: '{"type":"module"}\n' },
  ];
}
