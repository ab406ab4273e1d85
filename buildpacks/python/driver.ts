// The Python driver: requirements.txt, uv.lock, poetry.lock, Pipfile.lock or pyproject.toml → layers. Dependencies are a virtual environment keyed by
// what names them; only packages out of the tree itself are installed over the source. See README.md.
import type { BuildPlan, Driver, PlanContext, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { explainCollectStatic, explainInstall, needsCompilers } from './explain.ts';
import { type Facts, readFacts } from './facts.ts';
import { collectStaticScript, installItselfScript, installScript, runShim } from './install-scripts.ts';
import type { InstallerKind } from './installer.ts';
import {
  belowInstall,
  compilerNeeds,
  pythonPath,
  runtimeLayers,
  toolsPath,
  uvSettings,
} from './runtime-layers.ts';

export const pythonDriver: Driver = { name: 'python', version: 1, detect, plan };

/** Any of these is a Python app, whatever lies beside it. */
const sureMarks = [
  'requirements.txt',
  'uv.lock',
  'poetry.lock',
  'Pipfile',
  'Pipfile.lock',
  'setup.py',
  'manage.py',
];
/** Marks of other languages: beside them a pyproject.toml or a script is a tool's. */
const othersMarks = ['package.json', 'go.mod', 'Cargo.toml', 'Gemfile', 'composer.json', 'pom.xml'];
const scripts = ['server.py', 'app.py', 'main.py', 'wsgi.py', 'asgi.py'];

async function detect(tree: SourceTree): Promise<string | undefined> {
  if (sureMarks.some((path) => tree.has(path))) return 'Python';
  if (othersMarks.some((path) => tree.has(path))) return undefined;
  const marks = ['pyproject.toml', ...scripts, 'requirements/production.txt', 'requirements/base.txt'];
  return marks.some((path) => tree.has(path)) || (await isScript(tree)) ? 'Python' : undefined;
}

/** Nothing but scripts, and a Procfile that runs one of them, or none. */
async function isScript(tree: SourceTree): Promise<boolean> {
  const atRoot = [...tree.entries.keys()].filter((path) => !path.includes('/'));
  if (!atRoot.some((path) => path.endsWith('.py'))) return false;
  const procfile = await tree.readText('Procfile', 64 * 1024);
  if (procfile !== undefined) return /^[\w-]+:\s*(?:exec\s+)?python3?\s/m.test(procfile);
  return !atRoot.some((path) => /\.(?:html|sh|php|rb)$/.test(path));
}

async function plan(tree: SourceTree, context: PlanContext): Promise<BuildPlan> {
  const facts = await readFacts(tree, context);
  const { installer, python, start, django } = facts;
  if (!start && !facts.isDeclared && !context.isPart)
    throw new AppError('invalid', 'nothing says how to start the app', {
      hint: 'add a Procfile, for example "web: gunicorn --bind 0.0.0.0:$PORT app:app"',
    });
  const collects = django?.collectsStatic === true && !isTruthy(context.vars['DISABLE_COLLECTSTATIC']);
  const checkedIn = ['.venv', 'venv', 'env'].filter((name) => tree.has(`${name}/pyvenv.cfg`));
  const source: PlannedLayer = { kind: 'source', id: 'source', inImage: true, leaveOut: checkedIn };
  const install = facts.needsUv ? [installLayer(facts)] : [];
  const order = installer.fromTree ? [source, ...install] : [...install, source];
  return {
    language: 'Python',
    details: describeChoices(facts, collects),
    warnings: [
      ...python.warnings,
      ...installer.warnings,
      ...(start?.brings
        ? [
            `${start.brings.split('==')[0]} is not among the dependencies: ${start.brings} is added to serve the app; name it in ${manifestOf(installer.kind, installer.requirements)}`,
          ]
        : []),
      ...checkedIn.map((name) => `${name} is in the commit and left out: add it to .gitignore`),
    ],
    layers: [
      ...runtimeLayers(facts),
      ...shims(facts),
      ...order,
      ...(facts.installsItself ? [itselfLayer(facts)] : []),
      ...(collects ? [staticLayer(facts)] : []),
    ],
    defaultProcessTypes: start ? { web: start.web } : {},
    env: imageEnv(facts),
    path: pythonPath,
    varsMatter: facts.needsUv || collects,
  };
}

/** Where its author writes the dependencies down. */
function manifestOf(kind: InstallerKind, requirements: string): string {
  if (kind === 'pipenv') return 'Pipfile';
  return kind === 'requirements' || kind === 'none' ? requirements || 'requirements.txt' : 'pyproject.toml';
}

/** Heroku's rule: any value but these. */
function isTruthy(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no'].includes(value.toLowerCase());
}

function imageEnv({ tree, project }: Facts): Record<string, string> {
  const hasSourceFolder = project.pyproject?.isProject === true && tree.hasFolder('src');
  return {
    PYTHONUNBUFFERED: '1',
    PYTHONPATH: hasSourceFolder ? '/app:/app/src' : '/app',
    VIRTUAL_ENV: '/app/.venv',
    // gunicorn and uvicorn read it: two workers are what the smallest instance carries.
    WEB_CONCURRENCY: '2',
    // Only the router reaches the app, and it writes these headers itself.
    FORWARDED_ALLOW_IPS: '*',
  };
}

function describeChoices({ python, installer, django }: Facts, collects: boolean): string[] {
  const from = python.askedBy ?? 'the stack\'s; ask for another in ".python-version"';
  const from2 = python.provider === 'stack' || python.suite === '' ? from : `${from}; Debian ${python.suite}`;
  return [
    `Python ${python.version} (${from2})`,
    ...(installer.kind === 'none' ? ['no packages'] : [`packages of ${installer.shown}`]),
    ...(django && !collects
      ? [
          django.collectsStatic
            ? 'collectstatic is turned off (DISABLE_COLLECTSTATIC)'
            : 'no collectstatic: STATIC_ROOT is not set',
        ]
      : []),
  ];
}

/** The tools are not in the image, but lines like `uv run …` in a Procfile are usual. */
function shims({ installer }: Facts): PlannedLayer[] {
  if (installer.kind !== 'uv' && installer.kind !== 'poetry' && installer.kind !== 'pipenv') return [];
  const path = `opt/berth/python-run/${installer.kind}`;
  return [
    { kind: 'files', id: 'runtime-shim', inImage: true, files: [{ path, mode: 0o755, content: runShim }] },
  ];
}

function installLayer(facts: Facts): RunLayer {
  const { installer, python, start, tree, project } = facts;
  const { kind, fromTree, files } = installer;
  const content = files
    .filter((path) => path !== 'pyproject.toml')
    .map((path) => `${path} ${tree.entries.get(path)?.oid}`);
  const env = {
    ...uvSettings,
    UV_PROJECT_ENVIRONMENT: '/app/.venv',
    VIRTUAL_ENV: '/app/.venv',
    // pip takes the best version of all indexes; a requirement file is written for pip.
    ...(kind === 'requirements' || kind === 'pipenv' ? { UV_INDEX_STRATEGY: 'unsafe-best-match' } : {}),
    REQUIREMENTS: installer.requirements,
    SCOPE: kind === 'uv' && !fromTree ? '--no-install-project' : '',
    WHOLE: fromTree ? '1' : '',
    SERVER: start?.brings ?? '',
    ...(installer.fromSource ? compilerNeeds(facts).env : {}),
    // A package that is built without a compiler may leave its fast part out and say nothing.
    WHEELS: installer.pinned && !fromTree && !installer.fromSource ? '--only-binary :all:' : '',
    POETRY_CACHE_DIR: '/tmp/poetry',
    POETRY_VIRTUALENVS_CREATE: 'false',
    PIPENV_IGNORE_VIRTUALENVS: '1',
    WORKON_HOME: '/tmp/pipenv',
  };
  return {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: kind === 'none' ? 'Installing dependencies' : `Installing dependencies (${installer.shown})`,
    cachedTitle: 'Restoring dependencies (unchanged)',
    step: 'dependencies',
    on: [
      ...belowInstall(facts),
      ...(installer.fromSource ? compilerNeeds(facts).on : []),
      ...(fromTree ? ['source'] : []),
    ],
    key: [JSON.stringify(env), project.pyproject?.installFacts ?? '', ...content],
    scope: 'app',
    files: fromTree ? [] : files,
    stack: installer.fromSource ? 'build' : 'run',
    withCompilers: withCompilers(facts),
    user: 'app',
    script: installScript(kind),
    env,
    path: [...pythonPath, ...toolsPath],
    vars: 'install',
    caches: { uv: '/cache/uv' },
    keep: '/app',
    leaveOut: ['.cache', '.local', 'build'],
    quiet: false,
    explain: explainInstall(installer, python.version),
  };
}

function withCompilers(facts: Facts): NonNullable<RunLayer['withCompilers']> {
  const { on, env } = compilerNeeds(facts);
  return { when: needsCompilers, on, env: { ...env, WHEELS: '' } };
}

function overSource(facts: Facts): RunLayer {
  const { cachedTitle: _, explain: __, ...common } = installLayer(facts);
  return { ...common, on: [...belowInstall(facts), 'dependencies', 'source'], key: [], files: [] };
}

function itselfLayer(facts: Facts): RunLayer {
  return {
    ...overSource(facts),
    id: 'output-itself',
    title: 'Installing the app itself',
    step: 'build',
    script: installItselfScript,
    explain: explainInstall(facts.installer, facts.python.version),
  };
}

function staticLayer(facts: Facts): RunLayer {
  const { withCompilers: _, ...common } = overSource(facts);
  return {
    ...common,
    id: 'output',
    title: 'Collecting static files',
    step: 'collectstatic',
    on: [
      ...belowInstall(facts).filter((id) => id.startsWith('runtime')),
      ...(facts.needsUv ? ['dependencies'] : []),
      'source',
      ...(facts.installsItself ? ['output-itself'] : []),
    ],
    script: collectStaticScript,
    env: {
      ...imageEnv(facts),
      MANAGE_FOLDER: `/app/${facts.django?.folder ?? ''}`,
      PYTHONDONTWRITEBYTECODE: '1',
    },
    path: pythonPath,
    vars: 'all',
    caches: {},
    explain: explainCollectStatic,
  };
}
