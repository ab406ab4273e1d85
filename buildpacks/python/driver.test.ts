import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { pythonDriver } from './driver.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => ['3.11.2 bookworm', '3.13.18 sid', '3.14.10 sid', '3.15.2 sid'],
};
const planOf = (files: Record<string, string>, more: Partial<PlanContext> = {}): Promise<BuildPlan> =>
  pythonDriver.plan(treeOfFiles(files), { ...context, ...more });
const shape = (plan: BuildPlan) =>
  plan.layers.map((layer) => `${layer.id}${layer.inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;
const web = async (files: Record<string, string>) => (await planOf(files)).defaultProcessTypes['web'];

const flask = {
  'requirements.txt': 'flask==3.1.3\ngunicorn\n',
  'app.py': 'from flask import Flask\n\napp = Flask(__name__)\n',
};

test('requirements.txt: the whole install step', async () => {
  const plan = await planOf(flask);
  assert.deepEqual(shape(plan), ['uv (not in the image)', 'runtime', 'dependencies', 'source']);
  const { explain, script, key, env, withCompilers, ...step } = run(plan, 'dependencies');
  assert.equal(typeof explain, 'function');
  assert.match(script, /^uv pip install \$WHEELS --requirements "\$REQUIREMENTS"$/m);
  assert.equal(key.length, 3);
  assert.equal(env['REQUIREMENTS'], 'requirements.txt');
  assert.equal(env['SERVER'], '');
  assert.deepEqual(withCompilers?.on, []);
  assert.deepEqual(step, {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: 'Installing dependencies (requirements.txt)',
    cachedTitle: 'Restoring dependencies (unchanged)',
    step: 'dependencies',
    on: ['uv', 'runtime'],
    scope: 'app',
    files: ['requirements.txt'],
    stack: 'run',
    user: 'app',
    path: [
      '/app/.venv/bin',
      '/opt/berth/python/bin',
      '/opt/berth/python-run',
      '/opt/berth/python-tools/bin',
      '/opt/berth/python-manager/bin',
    ],
    vars: 'install',
    caches: { uv: '/cache/uv' },
    keep: '/app',
    leaveOut: ['.cache', '.local', 'build'],
    quiet: false,
  });
  assert.deepEqual(plan.defaultProcessTypes, { web: 'gunicorn --bind 0.0.0.0:$PORT app:app' });
  assert.deepEqual(plan.details, [
    'Python 3.13.5 (the stack\'s; ask for another in ".python-version")',
    'packages of requirements.txt',
  ]);
  assert.deepEqual(plan.warnings, []);
});

test('the key of dependencies changes with every file that names them, not with the source', async () => {
  const key = async (files: Record<string, string>) =>
    JSON.stringify(run(await planOf(files), 'dependencies').key);
  const files = {
    ...flask,
    'requirements.txt': '-r more/base.txt\n',
    'more/base.txt': 'flask\n-c pins.txt\n',
    'more/pins.txt': 'flask==3\n',
  };
  const base = await key(files);
  assert.equal(await key({ ...files, 'app.py': `${files['app.py']}# changed` }), base);
  for (const path of ['requirements.txt', 'more/base.txt', 'more/pins.txt'])
    assert.notEqual(
      await key({ ...files, [path]: `${files[path as keyof typeof files]}# changed\n` }),
      base,
      path,
    );
  const project = (fields: string) => ({
    'pyproject.toml': `[project]\nname = "a"\ndependencies = ["flask"]\n${fields}`,
    'uv.lock': 'version = 1\n',
    'app.py': flask['app.py'],
  });
  const locked = await key(project('version = "1"'));
  assert.equal(await key(project('version = "2"\ndescription = "x"')), locked);
  assert.notEqual(await key(project('version = "1"\nrequires-python = ">=3.12"')), locked);
});

test('packages out of the tree are installed over the source', async () => {
  for (const line of ['-e .', '.', './lib/price', 'price @ file:lib/price', '--editable=./lib/price'])
    assert.deepEqual(
      shape(await planOf({ ...flask, 'requirements.txt': `flask\n${line}\n` })),
      ['uv (not in the image)', 'runtime', 'source', 'dependencies'],
      line,
    );
});

test('a project with commands is installed itself above its packages; any other is imported from its folder', async () => {
  const files = (fields: string) => ({
    'pyproject.toml': `[project]\nname = "a"\ndependencies = ["flask"]\n${fields}[build-system]\nbuild-backend = "hatchling.build"\n`,
    'uv.lock': 'version = 1\n',
    'src/a/__init__.py': 'def create_app():\n    pass\n',
  });
  const plain = await planOf(files(''));
  assert.deepEqual(shape(plain), [
    'uv (not in the image)',
    'runtime',
    'runtime-shim',
    'dependencies',
    'source',
  ]);
  assert.equal(plain.env['PYTHONPATH'], '/app:/app/src');
  assert.equal(plain.defaultProcessTypes['web'], "gunicorn --bind 0.0.0.0:$PORT 'a:create_app()'");
  const withScripts = await planOf(files('[project.scripts]\nserve = "a:main"\n'));
  assert.deepEqual(shape(withScripts).slice(-2), ['source', 'output-itself']);
});

test('Poetry and Pipenv bring their tool below the install, never into the image', async () => {
  const poetry = await planOf({
    'pyproject.toml': '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "*"\n',
    'poetry.lock': '',
    'app.py': flask['app.py'],
  });
  assert.deepEqual(shape(poetry), [
    'uv (not in the image)',
    'runtime',
    'manager (not in the image)',
    'runtime-shim',
    'dependencies',
    'source',
  ]);
  assert.deepEqual(poetry.warnings, [
    'gunicorn is not among the dependencies: gunicorn==27.0.1 is added to serve the app; name it in pyproject.toml',
  ]);
  const pipenv = await planOf({
    Pipfile: '[packages]\nflask = "*"\n',
    'Pipfile.lock': '{}',
    'app.py': flask['app.py'],
  });
  assert.equal(run(pipenv, 'manager').env['MANAGER'], 'pipenv==2026.10.3');
  assert.deepEqual(run(pipenv, 'dependencies').files, ['Pipfile', 'Pipfile.lock']);
});

test('collectstatic runs when settings name STATIC_ROOT and nobody turned it off', async () => {
  const site = {
    'requirements.txt': 'django\ngunicorn\npsycopg2\n',
    'manage.py': 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
    'shop/settings.py': 'STATIC_ROOT = "x"\n',
    'shop/wsgi.py': 'application = get_wsgi_application()\n',
  };
  const plan = await planOf(site);
  assert.deepEqual(shape(plan), [
    'uv (not in the image)',
    'runtime',
    'runtime-libraries',
    'dependencies',
    'source',
    'output',
  ]);
  assert.equal(plan.defaultProcessTypes['web'], 'gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application');
  const { on, vars, keep } = run(plan, 'output');
  assert.deepEqual(
    { on, vars, keep },
    { on: ['runtime', 'runtime-libraries', 'dependencies', 'source'], vars: 'all', keep: '/app' },
  );
  const off = await planOf(site, { vars: { DISABLE_COLLECTSTATIC: '1' } });
  assert.equal(shape(off).includes('output'), false);
  assert.match(off.details.join('\n'), /collectstatic is turned off \(DISABLE_COLLECTSTATIC\)/);
  const none = await planOf({ ...site, 'shop/settings.py': '# STATIC_ROOT is not set\n' });
  assert.equal(shape(none).includes('output'), false);
});

test('the default web process is what the source says', async () => {
  const app = (requirements: string, path: string, text: string) =>
    web({ 'requirements.txt': requirements, [path]: text });
  assert.equal(
    await app('fastapi[standard]', 'app/main.py', 'app = FastAPI()'),
    'uvicorn --host 0.0.0.0 --port $PORT app.main:app',
  );
  assert.equal(
    await app('fastapi', 'main.py', 'api: FastAPI = FastAPI(\n)'),
    'uvicorn --host 0.0.0.0 --port $PORT main:api',
  );
  assert.equal(
    await app('starlette\nhypercorn', 'asgi.py', 'app = Starlette()'),
    'hypercorn --bind 0.0.0.0:$PORT asgi:app',
  );
  assert.equal(
    await app('flask\nwaitress', 'wsgi.py', 'app = create_app()'),
    'waitress-serve --listen=0.0.0.0:$PORT wsgi:app',
  );
  assert.equal(
    await app('streamlit', 'app.py', ''),
    'streamlit run app.py --server.address 0.0.0.0 --server.port $PORT --server.headless true',
  );
  assert.equal(await app('', 'server.py', 'import http.server'), 'python server.py');
  await assert.rejects(app('flask', 'lib.py', ''), { message: 'nothing says how to start the app' });
});

test('versions: the stack serves what it can, another suite the rest, and what nobody has is refused with the nearest', async () => {
  const details = async (files: Record<string, string>, more: Partial<PlanContext> = {}) => {
    const plan = await planOf({ 'app.py': '', ...files }, more);
    return [plan.details[0], ...plan.warnings];
  };
  const project = (range: string) => ({ 'pyproject.toml': `[project]\nrequires-python = "${range}"\n` });
  assert.deepEqual(await details({ '.python-version': '3.13\n' }), ['Python 3.13.5 (.python-version)']);
  assert.deepEqual(await details({ 'runtime.txt': 'python-3.13.2\n' }), [
    'Python 3.13.5 (runtime.txt)',
    'Python 3.13.5 instead of 3.13.2 (runtime.txt): it is the patch version of 3.13 that can be had',
  ]);
  assert.deepEqual(await details({ '.tool-versions': 'nodejs 22\npython 3.11.9\n' }), [
    'Python 3.11.2 (.tool-versions; Debian bookworm)',
    'Python 3.11.2 instead of 3.11.9 (.tool-versions): it is the patch version of 3.11 that can be had',
  ]);
  assert.deepEqual(await details(project('>=3.10,<4')), [
    'Python 3.13.5 ("requires-python" of pyproject.toml)',
  ]);
  assert.deepEqual(await details(project('>=3.14')), [
    'Python 3.14.10 ("requires-python" of pyproject.toml; Debian sid)',
  ]);
  assert.deepEqual(await details(project('~=3.9, <3.13')), [
    'Python 3.11.2 ("requires-python" of pyproject.toml; Debian bookworm)',
  ]);
  await assert.rejects(details({ '.python-version': '3.12' }), {
    message: 'there is no Python "3.12" (.python-version)',
    hint: 'nearest: 3.13, 3.11, 3.14, 3.15; with a mirror of standalone builds (UV_PYTHON_INSTALL_MIRROR) the operator adds all others',
  });
  await assert.rejects(details({ '.python-version': 'pypy3.10' }), {
    message: '"pypy3.10" in .python-version is not a Python version',
  });
  const mirror = { sources: { UV_PYTHON_INSTALL_MIRROR: 'https://mirror.example.org/python' } };
  assert.deepEqual(await details({ '.python-version': '3.12.4' }, mirror), [
    'Python 3.12.4 (.python-version)',
  ]);
  assert.deepEqual(await details(project('>=3.10,<3.13'), mirror), [
    'Python 3.12 ("requires-python" of pyproject.toml)',
  ]);
});

test('what cannot be built is refused before any container runs', async () => {
  const refused = (files: Record<string, string>, message: string) =>
    assert.rejects(planOf({ ...flask, ...files }), { message });
  await refused(
    { 'requirements.txt': 'flask\n-r dev.txt\n' },
    'line 2 of requirements.txt includes "dev.txt", which is not in the commit',
  );
  await refused({ 'requirements.txt': 'f\0l\0' }, '"requirements.txt" is not written in UTF-8');
  const { 'requirements.txt': _, ...bare } = flask;
  await assert.rejects(planOf({ ...bare, Pipfile: '[packages]\n' }), { message: 'Pipfile.lock is missing' });
  await assert.rejects(planOf({ ...bare, 'pyproject.toml': '[tool.poetry]\nname = "a"\n' }), {
    message: 'poetry.lock is missing',
  });
  await refused(
    { 'pyproject.toml': '[project\n' },
    'pyproject.toml line 1: expected "]", found the end of the line',
  );
});

test('beside another language only a sure mark is a Python app', async () => {
  const detect = (...paths: string[]) =>
    pythonDriver.detect(treeOfFiles(Object.fromEntries(paths.map((path) => [path, '']))));
  assert.equal(await detect('package.json', 'pyproject.toml', 'main.py'), undefined);
  assert.equal(await detect('package.json', 'requirements.txt'), 'Python');
  assert.equal(await detect('main.py'), 'Python');
  assert.equal(await detect('index.html'), undefined);
  assert.equal(await detect('bot.py', 'README.md'), 'Python');
  assert.equal(await detect('build.py', 'index.html'), undefined);
  assert.equal(await detect('package.json', 'tool.py'), undefined);
  const withProcfile = (Procfile: string) => pythonDriver.detect(treeOfFiles({ Procfile, 'job.py': '' }));
  assert.equal(await withProcfile('console: python3 -u job.py\n'), 'Python');
  assert.equal(await withProcfile('web: ./serve\n'), undefined);
});
