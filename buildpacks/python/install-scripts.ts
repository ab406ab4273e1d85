// The shell of the Python plans: constant text. Names, versions and paths travel in the environment, never in the text.
import { unpackScript } from '@berth/builder/plan/other-suite.ts';
import type { InstallerKind } from './installer.ts';

/** Ends each runtime: `python` and `python3` at one place, and its library compiled so that no time stamp counts (layers have none of their own). */
const finishRuntime = `
mkdir -p /opt/berth/python/bin
cd /opt/berth/python/bin
[ -e python3 ] || ln -s "$INTERPRETER" python3
ln -sf python3 python
library=$(./python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
find "$library" -name __pycache__ -prune -exec rm -rf {} +
./python3 -m compileall -q -j 1 --invalidation-mode unchecked-hash "$library" >/tmp/compiled || true
./python3 --version
`;

export const stackPythonScript = finishRuntime;

/** Another suite's Python: its own packages at a prefix, over the libraries of the stack's suite. */
export const debianPythonScript = `${unpackScript}
mv "$ROOT/unpacked/usr/bin" "$ROOT/unpacked/usr/lib" "$PREFIX/"
rm -rf "$ROOT"
${finishRuntime}`;

export const headersScript = `${unpackScript}
mv "$ROOT/unpacked/usr/include" "$PREFIX/include"
rm -rf "$ROOT"
`;

/** uv knows the checksum of each build and checks it. */
export const standalonePythonScript = `
uv python install --no-bin --install-dir /opt/berth/python "$PYTHON_REQUEST"
rm -rf /opt/berth/python/.lock /opt/berth/python/.temp /opt/berth/python/.gitignore
set -- /opt/berth/python/cpython-*/bin/python3
INTERPRETER=$1
${finishRuntime}`;

/** uv from the Python package index, by Debian's pip. */
export const fetchUvScript = `
apt-get -qq -o Acquire::Retries=3 update
apt-get -qq install -y --no-install-recommends python3-pip >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
python3 -m pip install --quiet --break-system-packages --no-compile --no-deps --only-binary :all: --target /opt/berth/python-tools "$UV"
uv --version
`;

export const fetchManagerScript = `
uv venv --quiet --python /opt/berth/python/bin/python3 /opt/berth/python-manager
uv pip install --quiet --python /opt/berth/python-manager $MANAGER
`;

/** Mirrors that pip knows are mirrors for uv too. */
const prelude = `
[ -n "$UV_DEFAULT_INDEX" ] || [ -z "$PIP_INDEX_URL" ] || export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
[ -n "$UV_INDEX" ] || [ -z "$PIP_EXTRA_INDEX_URL" ] || export UV_INDEX="$PIP_EXTRA_INDEX_URL"
uv venv --quiet --python /opt/berth/python/bin/python3 /app/.venv
rm -f /app/.venv/.lock
`;
const bringServer = `
[ -z "$SERVER" ] || uv pip install "$SERVER"
rm -f /app/.venv/.lock
`;

const ways: Record<InstallerKind, string> = {
  // With a mirror the addresses in the lock file do not count; its versions and hashes do.
  uv: `
if [ -z "$UV_DEFAULT_INDEX" ]; then
  uv sync --locked --no-dev $SCOPE \${WHEELS:+--no-build}
else
  env -u UV_DEFAULT_INDEX -u UV_INDEX uv export --quiet --locked --offline --no-dev $SCOPE --output-file /tmp/requirements.txt
  uv pip install $WHEELS --requirements /tmp/requirements.txt
fi
`,
  poetry: `
poetry export --no-interaction --no-ansi --only main --with-credentials --output /tmp/requirements.txt
uv pip install $WHEELS --requirements /tmp/requirements.txt
`,
  pipenv: `
pipenv verify
pipenv requirements --hash > /tmp/all-requirements.txt
grep -v -x -e '-i https://pypi.org/simple/\\{0,1\\}' /tmp/all-requirements.txt > /tmp/requirements.txt || true
uv pip install $WHEELS --requirements /tmp/requirements.txt
`,
  requirements: `
uv pip install $WHEELS --requirements "$REQUIREMENTS"
`,
  project: `
if [ -n "$WHOLE" ]; then uv pip install --editable .; else uv pip install --requirements pyproject.toml; fi
`,
  none: '',
};

export function installScript(kind: InstallerKind): string {
  return `${prelude}${ways[kind]}${bringServer}`;
}

/** The app's own commands and entry points; its packages are there. */
export const installItselfScript = `
uv pip install --no-deps --editable .
rm -f /app/.venv/.lock
`;

export const collectStaticScript = `
cd "$MANAGE_FOLDER"
python manage.py collectstatic --noinput
`;

/**
 * `uv run web`, `poetry run web`, `pipenv run web` in a Procfile: the tools are not in the image, their environment is, and on the PATH.
 */
export const runShim = `#!/bin/sh
tool=\${0##*/}
if [ "$1" != run ]; then
  echo "$tool is not in the image: the build used it; only \\"$tool run\\" works here" >&2
  exit 127
fi
shift
while :; do
  case "$1" in
    --frozen | --locked | --no-sync | --no-dev | --offline | --quiet | -q | -n | --no-interaction | --) shift ;;
    -m) shift; set -- python -m "$@"; break ;;
    -*) echo "$tool run: \\"$1\\" is not known in the image" >&2; exit 2 ;;
    *) break ;;
  esac
done
case "$tool $1" in
  "uv "*.py) exec python "$@" ;;
esac
exec "$@"
`;
