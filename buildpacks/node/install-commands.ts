// The shell of the Node plans: constant text for each package manager. Names and versions travel in the environment, never in the text.
import type { PackageManager } from './package-manager.ts';

export interface InstallCommands {
  /** What the user reads in the title. */
  shown: string;
  production: string;
  all: string;
  /** Removes development packages after a build; undefined: this manager cannot. */
  prune: string | undefined;
  run: string;
}

export function installCommands(manager: PackageManager): InstallCommands {
  const locked = manager.lockfile !== undefined;
  if (manager.kind === 'npm') {
    const verb = locked ? 'ci' : 'install --no-package-lock';
    return {
      shown: locked ? 'npm ci' : 'npm install',
      production: `npm ${verb} --omit=dev`,
      all: `npm ${verb} --include=dev`,
      prune: 'npm prune --omit=dev --ignore-scripts --no-package-lock',
      run: 'npm run',
    };
  }
  if (manager.kind === 'pnpm') {
    const lock = locked ? '--frozen-lockfile' : '--no-frozen-lockfile';
    return {
      shown: 'pnpm install',
      production: `pnpm install ${lock} --prod`,
      all: `pnpm install ${lock} --prod=false`,
      prune: 'pnpm prune --prod --ignore-scripts',
      run: 'pnpm run',
    };
  }
  if (manager.kind === 'yarn-classic') {
    const lock = locked ? '--frozen-lockfile' : '--no-lockfile';
    const flags = `${lock} --non-interactive`;
    return {
      shown: 'yarn install',
      production: `yarn install ${flags} --production=true`,
      all: `yarn install ${flags} --production=false`,
      prune: `yarn install ${flags} --production=true --ignore-scripts --prefer-offline`,
      run: 'yarn run',
    };
  }
  const all = locked ? 'yarn install --immutable' : 'yarn install --no-immutable';
  // Before yarn 4, leaving out development packages needs a plugin that the app may not have: they stay.
  const focuses = !/^[23](\.|$)/.test(manager.provider?.version ?? '');
  return {
    shown: 'yarn install',
    production: focuses ? 'yarn workspaces focus --all --production' : all,
    all,
    prune: focuses ? 'yarn workspaces focus --all --production' : undefined,
    run: 'yarn run',
  };
}

/** Puts a Node and an npm that it can run below /opt/berth/node, with the platform's own from /opt/berth/toolbox. */
export const fetchRuntimeScript = `
cd "$(mktemp -d)"
npm install --no-save --ignore-scripts --no-package-lock --prefix . "$NODE_PACKAGE@$NODE_VERSION"
mkdir -p /opt/berth/node/bin /opt/berth/node/lib/node_modules
cp "node_modules/$NODE_PACKAGE/bin/node" /opt/berth/node/bin/node
if [ -n "$NPM_RANGE" ]; then
  npm install --global --ignore-scripts --prefix /opt/berth/node "npm@$NPM_RANGE"
else
  cp -R /opt/berth/toolbox/lib/node_modules/npm /opt/berth/node/lib/node_modules/npm
  ln -s ../lib/node_modules/npm/bin/npm-cli.js /opt/berth/node/bin/npm
  ln -s ../lib/node_modules/npm/bin/npx-cli.js /opt/berth/node/bin/npx
fi
/opt/berth/node/bin/node --version
`;

export const fetchHeadersScript = `
cd "$(mktemp -d)"
npm install --no-save --ignore-scripts --no-package-lock --prefix . "$NODE_PACKAGE@$NODE_VERSION"
mkdir -p /opt/berth/node-headers
cp -R "node_modules/$NODE_PACKAGE/include" /opt/berth/node-headers/include
`;

export const fetchManagerScript = `
npm install --global --ignore-scripts --force --prefix /opt/berth/node "$MANAGER_PACKAGE@$MANAGER_VERSION"
`;
