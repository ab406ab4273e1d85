// Python apps through the real engine: what is served, what is reused, what is refused and how. Packages come from PyPI, Pythons from Debian.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbpa' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

/** The end of a build that must fail: what the pusher reads. */
async function refusal(app: string, files: Files): Promise<{ error: string; hint: string }> {
  const build = await bench.build(files, { app });
  assert.equal(build.end?.status, 'failed', build.output);
  const { error, hint } = build.end as { error: string; hint: string };
  return { error, hint };
}

async function home(build: FakeBuild, env: Record<string, string> = {}): Promise<string> {
  const served = await bench.serve(build, env);
  try {
    const { status, body } = await served.get('/');
    assert.equal(status, 200, served.output());
    return body.trim();
  } finally {
    await served.stop();
  }
}

/** The fixture with another text in one of its files. */
function changed(name: string, path: string, from: string, to: string): Files {
  const files = fixture(name);
  const text = files[path]?.toString() ?? '';
  assert.ok(text.includes(from), `${path} of ${name} has no "${from}"`);
  return { ...files, [path]: text.replace(from, to) };
}

test('a Flask app with requirement files is served by gunicorn, and a changed line makes its source alone', async () => {
  const first = await bench.build(fixture('flask-pip'), { app: 'flask' });
  const before = resultOf(first);
  assert.deepEqual(before.processTypes, { web: 'gunicorn --bind 0.0.0.0:$PORT app:app' });
  assert.equal(await home(first), 'flask on 3.13, 2 workers');

  const second = await bench.build(changed('flask-pip', 'app.py', 'flask on', 'flask with'), {
    app: 'flask',
  });
  const now = resultOf(second);
  assert.match(second.output, /^-----> Restoring dependencies \(unchanged\)$/m);
  assert.deepEqual(
    now.steps.filter(({ cached }) => !cached).map(({ name }) => name),
    ['source'],
  );
  assert.ok(second.ms < 1500, `${second.ms} ms`);
});

test('the same requirements give the same layer, and nothing in it is compiled at a start', async () => {
  const layers = async (app: string) => {
    const { image } = resultOf(await bench.build(fixture('flask-pip'), { app }));
    return { image, layers: (await bench.engine.inspectImage(image))?.RootFS.Layers };
  };
  const [one, other] = [await layers('flask'), await layers('flask-again')];
  assert.deepEqual(one.layers, other.layers);
  const { output } = await bench.runIn(
    one.image,
    'python -v -c "import flask, json, asyncio" 2>&1 | grep -c "^# wrote\\|^# code object from .*py$"; ls /opt/berth',
  );
  assert.equal(output, '0\npython\n');
});

test('a Django site one folder down: collectstatic with the config vars, or a clear failure', async () => {
  assert.deepEqual(await refusal('django', fixture('django-site')), {
    error: "collectstatic failed: KeyError: 'SECRET_KEY'",
    hint: 'set the config var SECRET_KEY, or DISABLE_COLLECTSTATIC=1 to go without',
  });
  const vars = { SECRET_KEY: 'for-the-test' };
  const build = await bench.build(fixture('django-site'), { app: 'django', vars });
  assert.match(build.output, /^ {7}1 static file copied to '\/app\/backend\/collected'/m);
  const served = await bench.serve(build, vars);
  try {
    const { body } = await served.get('/');
    assert.match(body, /^\/static\/pages\/style\.[0-9a-f]{12}\.css$/);
    assert.equal((await served.get(body)).body, 'body { color: green }\n');
  } finally {
    await served.stop();
  }
});

test('FastAPI with uv is served by uvicorn; a lock file out of step is refused', async () => {
  const build = await bench.build(fixture('fastapi-uv'), { app: 'fastapi' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'uvicorn --host 0.0.0.0 --port $PORT main:app' });
  assert.equal(await home(build), '{"price":42}');
  const stale = changed('fastapi-uv', 'pyproject.toml', '"uvicorn"', '"uvicorn", "iniconfig"');
  assert.deepEqual(await refusal('fastapi', stale), {
    error: 'uv.lock is out of step with pyproject.toml',
    hint: 'run "uv lock", commit uv.lock and push again',
  });
});

test('Poetry: a factory in a package is found, a missing server is brought along; a lock file out of step is refused', async () => {
  const build = await bench.build(fixture('flask-poetry'), { app: 'poetry' });
  assert.match(
    build.output,
    /^ ! {5}gunicorn is not among the dependencies: gunicorn==\S+ is added to serve the app/m,
  );
  assert.equal(await home(build), 'guestbook');
  const stale = changed('flask-poetry', 'pyproject.toml', '>=3.1', '>=3.0');
  assert.equal((await refusal('poetry', stale)).error, 'poetry.lock is out of step with pyproject.toml');
});

test('Pipenv: "pipenv run" of a Procfile works without Pipenv in the image; a lock file out of step is refused', async () => {
  const build = await bench.build(fixture('bottle-pipenv'), { app: 'pipenv' });
  assert.equal(await home(build), 'bottle');
  const stale = changed('bottle-pipenv', 'Pipfile', 'bottle = "*"', 'bottle = "==0.12"');
  assert.equal((await refusal('pipenv', stale)).error, 'Pipfile.lock is out of step with Pipfile');
});

test('another Python comes from another Debian suite, and compiles what has no wheel; one that nobody has is refused', async () => {
  const files = {
    ...fixture('flask-pip'),
    'requirements/server.txt': 'gunicorn==27.0.1\nmarkupsafe==2.1.5\n--no-binary markupsafe\n',
    'runtime.txt': 'python-3.11.9\n',
  };
  const build = await bench.build(files, { app: 'older' });
  assert.match(build.output, /^ ! {5}Python 3\.11\.\d+ instead of 3\.11\.9 \(runtime\.txt\)/m);
  assert.equal(await home(build), 'flask on 3.11, 2 workers');
  // Libraries that the stack's own installers happen to have too.
  const loaded = await bench.runIn(
    resultOf(build).image,
    'python -c "import bz2, lzma, sqlite3, uuid; print(1)"',
  );
  assert.equal(loaded.output, '1\n');
  const refused = await refusal('older', { ...fixture('flask-pip'), '.python-version': '3.12\n' });
  assert.equal(refused.error, 'there is no Python "3.12" (.python-version)');
  assert.match(refused.hint, /^nearest: 3\.13, 3\.11, /);
});

test('a pinned package without a wheel is compiled, never left without its fast part', async () => {
  const files = {
    ...fixture('flask-pip'),
    'requirements/server.txt': 'gunicorn==27.0.1\nmarkupsafe==2.1.2\n',
  };
  const build = await bench.build(files, { app: 'compiled' });
  assert.match(build.output, /^-----> A package has to be compiled: once more, with compilers$/m);
  const { output } = await bench.runIn(
    resultOf(build).image,
    'python -c "import markupsafe._speedups as s; print(s.__file__)"',
  );
  assert.match(output, /_speedups\.cpython-313-\S+\.so\n$/);
});

test('what cannot be installed is said in one line', async () => {
  const failing = async (requirements: string) =>
    (await refusal('failing', { 'app.py': '', 'requirements.txt': requirements })).error;
  assert.equal(
    await failing('flask\nberth-no-such-package==1.0\n'),
    'the package "berth-no-such-package" does not exist on PyPI',
  );
  assert.equal(await failing('flask==99.0\n'), 'PyPI has no version for "flask==99.0"');
  assert.equal(
    await failing('flask\ngunicorn = 27\n'),
    'line 2 of requirements.txt is no requirement: "gunicorn = 27"',
  );
  assert.equal(
    await failing(`iniconfig==2.0.0 --hash=sha256:${'a'.repeat(64)}\n`),
    '"iniconfig==2.0.0" is not the file whose hash is written down (hash mismatch)',
  );
});
