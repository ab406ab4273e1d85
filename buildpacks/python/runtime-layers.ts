// The layers below a Python app: the interpreter, libraries that packages load, uv and the package manager, headers for compilers. Used by driver.ts.
// The same for every app that asks for the same, so no config var may reach them.
import { packagesLayer } from '@berth/builder/plan/packages-layer.ts';
import type { PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { explainStandalone } from './explain.ts';
import type { Facts } from './facts.ts';
import {
  debianPythonScript,
  fetchManagerScript,
  fetchUvScript,
  headersScript,
  stackPythonScript,
  standalonePythonScript,
} from './install-scripts.ts';

export const pythonPath = ['/app/.venv/bin', '/opt/berth/python/bin', '/opt/berth/python-run'];
export const toolsPath = ['/opt/berth/python-tools/bin', '/opt/berth/python-manager/bin'];
const prefix = '/opt/berth/python';

/** Each is the same for everybody until the driver's version is raised. */
const uv = 'uv==0.13.9';
const managers = {
  poetry: 'poetry==2.5.1 poetry-plugin-export==1.10.1',
  pipenv: 'pipenv==2026.10.3',
} as const;

/** uv without talk, without its own Pythons, with results that time stamps do not change. */
export const uvSettings: Record<string, string> = {
  UV_CACHE_DIR: '/cache/uv',
  UV_LINK_MODE: 'copy',
  UV_PYTHON_DOWNLOADS: 'never',
  UV_NO_PROGRESS: '1',
  UV_COMPILE_BYTECODE: '1',
  PYC_INVALIDATION_MODE: 'UNCHECKED_HASH',
  // Variables of the app that would break the interpreter of the build.
  PYTHONPATH: '',
  PYTHONHOME: '',
};

/** What Python's own library loads, as the stack's suite calls it. */
const pythonLibraries = [
  'libbz2-1.0',
  'libcrypt1',
  'libdb5.3t64',
  'libexpat1',
  'libffi8',
  'liblzma5',
  'libncursesw6',
  'libnsl2',
  'libreadline8t64',
  'libsqlite3-0',
  'libtirpc3t64',
  'libuuid1',
  'libzstd1',
  'media-types',
  'netbase',
  'zlib1g',
];

/** Libraries that packages load at run time and do not carry. */
const librariesOf: Record<string, readonly string[]> = {
  psycopg2: ['libpq5'],
  psycopg: ['libpq5'],
  mysqlclient: ['libmariadb3'],
  'python-magic': ['libmagic1t64'],
  weasyprint: ['libpango-1.0-0', 'libpangoft2-1.0-0', 'libharfbuzz-subset0'],
};

export function runtimeLayers(facts: Facts): PlannedLayer[] {
  const { installer, needsUv } = facts;
  const libraries = [...new Set([...installer.names].flatMap((name) => librariesOf[name] ?? []))].sort();
  return [
    ...(needsUv || facts.python.provider === 'standalone' ? [uvLayer()] : []),
    runtimeLayer(facts),
    ...(libraries.length > 0
      ? [
          packagesLayer({
            id: 'runtime-libraries',
            title: `libraries for Python packages (${libraries.join(', ')})`,
            packages: libraries,
            on: ['runtime'],
          }),
        ]
      : []),
    ...(installer.kind === 'poetry' || installer.kind === 'pipenv' ? [managerLayer(installer.kind)] : []),
    ...(facts.python.provider === 'debian' && needsUv ? [headersLayer(facts)] : []),
  ];
}

export function belowInstall(facts: Facts): string[] {
  const ids = runtimeLayers(facts).map(({ id }) => id);
  return ids.filter((id) => id !== 'headers');
}

/** Layers and settings a compile needs beside the build stack, which has the headers of its own Python. */
export function compilerNeeds({ python }: Facts): { on: string[]; env: Record<string, string> } {
  if (python.provider !== 'debian') return { on: [], env: {} };
  return { on: ['headers'], env: { CPATH: `${prefix}/include:${prefix}/include/python${python.line}` } };
}

function runtimeLayer({ python }: Facts): RunLayer {
  const { version, line, provider, suite } = python;
  const title = `Python ${version}`;
  if (provider === 'stack') {
    const layer = packagesLayer({ id: 'runtime', title, packages: ['python3'] });
    return {
      ...layer,
      script: layer.script + stackPythonScript,
      env: { ...layer.env, INTERPRETER: `/usr/bin/python${line}` },
    };
  }
  const libraries = packagesLayer({
    id: 'runtime',
    title: `${title} (Debian ${suite})`,
    packages: pythonLibraries,
  });
  if (provider === 'debian') {
    const names = [
      `python${line}`,
      `python${line}-minimal`,
      `libpython${line}-minimal`,
      `libpython${line}-stdlib`,
    ];
    return {
      ...libraries,
      key: [...libraries.key, version, suite],
      script: libraries.script + debianPythonScript,
      env: {
        ...libraries.env,
        SUITE: suite,
        UNPACKED: names.join(' '),
        PREFIX: prefix,
        INTERPRETER: `${prefix}/bin/python${line}`,
      },
    };
  }
  return {
    ...platformStep('runtime', `Installing ${title}`, standalonePythonScript, { PYTHON_REQUEST: version }),
    on: ['uv'],
    inImage: true,
    keep: prefix,
    explain: explainStandalone(version),
  };
}

function uvLayer(): RunLayer {
  return {
    ...platformStep('uv', 'Installing uv', fetchUvScript, { UV: uv, DEBIAN_FRONTEND: 'noninteractive' }),
    keep: '/opt/berth/python-tools',
  };
}

function managerLayer(kind: keyof typeof managers): RunLayer {
  const title = `Installing ${managers[kind].split(' ')[0]?.replace('==', ' ')}`;
  return {
    ...platformStep('manager', title, fetchManagerScript, { MANAGER: managers[kind] }),
    on: ['uv', 'runtime'],
    keep: '/opt/berth/python-manager',
  };
}

function headersLayer({ python }: Facts): RunLayer {
  const { line, suite, version } = python;
  return {
    ...platformStep('headers', `Installing headers of Python ${version}`, headersScript, {
      SUITE: suite,
      UNPACKED: `libpython${line}-dev`,
      PREFIX: prefix,
    }),
    key: [suite, version],
    keep: `${prefix}/include`,
  };
}

function platformStep(id: string, title: string, script: string, env: Record<string, string>): RunLayer {
  return {
    kind: 'run',
    id,
    inImage: false,
    title,
    step: id === 'runtime' ? 'runtime' : 'package manager',
    on: [],
    key: [JSON.stringify(env)],
    scope: 'platform',
    files: [],
    stack: 'tools',
    user: 'root',
    script,
    env: { ...uvSettings, UV_PYTHON_DOWNLOADS: id === 'runtime' ? 'manual' : 'never', ...env },
    path: toolsPath,
    vars: 'none',
    caches: { uv: '/cache/uv' },
    keep: '/',
    leaveOut: [],
    quiet: true,
  };
}
