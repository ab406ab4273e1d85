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

/** `lenient`: Heroku's USE_NPM_INSTALL, for lockfiles that `npm ci` refuses. */
export function installCommands(manager: PackageManager, lenient: boolean): InstallCommands {
  const locked = manager.lockfile !== undefined;
  if (manager.kind === 'npm') {
    const strict = locked && !lenient;
    const verb = strict ? 'ci' : locked ? 'install' : 'install --no-package-lock';
    return {
      shown: strict ? 'npm ci' : 'npm install',
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
  if (manager.kind === 'bun') {
    const install = `bun install --no-progress --backend=copyfile${locked ? ' --frozen-lockfile' : ' --no-save'}`;
    return {
      shown: 'bun install',
      production: `${install} --production`,
      all: install,
      prune: `find . -name node_modules -prune -exec rm -rf {} +\n${install} --production --ignore-scripts`,
      run: 'bun run',
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

/** Puts a Node below /opt/berth/node with the platform's own from /opt/berth/toolbox; $STRIP_BINARY is the text of strip-binary.mjs. */
export const fetchNodeScript = `
cd "$(mktemp -d)"
npm install --no-save --ignore-scripts --no-package-lock --prefix . "$NODE_PACKAGE@$NODE_VERSION"
mkdir -p /opt/berth/node/bin
node --input-type=module -e "$STRIP_BINARY
await copyLoadedPart(process.argv[1], process.argv[2]);" "node_modules/$NODE_PACKAGE/bin/node" /opt/berth/node/bin/node
/opt/berth/node/bin/node --version
`;

export const fetchHeadersScript = `
cd "$(mktemp -d)"
npm install --no-save --ignore-scripts --no-package-lock --prefix . "$NODE_PACKAGE@$NODE_VERSION"
mkdir -p /opt/berth/node-headers
cp -R "node_modules/$NODE_PACKAGE/include" /opt/berth/node-headers/include
`;

/** $MANAGER_HASH, when there is one, is corepack's: of the archive, or of the one file that yarn berry is. */
export const fetchManagerScript = `
cd "$(mktemp -d)"
archive=$(npm pack --silent "$MANAGER_PACKAGE@$MANAGER_VERSION" | tail -n 1)
if [ -n "$MANAGER_HASH" ]; then
  tar -xzf "$archive"
  node -e '
    const { createHash } = require("node:crypto");
    const { existsSync, readFileSync } = require("node:fs");
    const [hash, archive] = process.argv.slice(1);
    const [algorithm, wanted] = hash.split(".");
    const files = [archive, "package/bin/yarn.js"].filter((file) => existsSync(file));
    const found = files.map((file) => createHash(algorithm).update(readFileSync(file)).digest("hex"));
    if (!found.includes(wanted)) {
      console.log("MANAGER_HASH does not match");
      process.exit(1);
    }
  ' "$MANAGER_HASH" "$archive"
fi
npm install --global --ignore-scripts --force --prefix "$MANAGER_PREFIX" "./$archive"
`;

/** Bun is one program; npm checks what it downloads. */
export const fetchBunScript = `
cd "$(mktemp -d)"
npm install --no-save --ignore-scripts --no-package-lock --force --prefix . "$MANAGER_PACKAGE@$MANAGER_VERSION"
mkdir -p /opt/berth/bun/bin
cp "node_modules/$MANAGER_PACKAGE/bin/bun" /opt/berth/bun/bin/bun
ln -s bun /opt/berth/bun/bin/bunx
/opt/berth/bun/bin/bun --version
`;
