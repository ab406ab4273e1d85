// TanStack Start: with Nitro its build makes a server; without, a fetch handler that somebody has to start. Used by frameworks.ts.
import { readFileSync } from 'node:fs';
import type { Framework, Look } from './frameworks.ts';

const serveFetch = readFileSync(new URL('serve-fetch.mjs', import.meta.url), 'utf8');
const startFile = 'dist/berth-start.mjs';

/** Older versions bring Nitro without a word in package.json, so what the build has left decides. */
const afterBuild = `
mkdir -p dist
if [ -f .output/server/index.mjs ]; then
  echo "import '../.output/server/index.mjs';" >${startFile}
elif [ -f dist/server/server.js ]; then
  cat >${startFile} <<'END_OF_SERVER'
${serveFetch}END_OF_SERVER
else
  echo 'the build has left neither .output/server/index.mjs nor dist/server/server.js: nothing can be started' >&2
  exit 1
fi
`;

export function tanStackStart(look: Look): Framework | undefined {
  if (!look.uses('@tanstack/react-start', '@tanstack/solid-start', '@tanstack/start')) return undefined;
  const build = look.uses('vinxi') ? 'vinxi build' : 'vite build';
  return {
    name: 'TanStack Start',
    start: `node ${startFile}`,
    build,
    env: { HOST: '0.0.0.0' },
    ...(look.saysHowToStart ? {} : { afterBuild }),
    scratch: ['.vinxi', '.tanstack'],
  };
}
