// What each stand-in for an image of Docker Hub is made of, as data: a variant of the stack, a language's own runtime layers as its driver plans them
// for an app that asks for that version, and a last step that puts things where the image's users look for them. Used by make-stand-in.ts.
// Scripts are constant text.
import { goDriver } from '../../buildpacks/go/driver.ts';
import { nodeDriver } from '../../buildpacks/node/driver.ts';
import { pythonDriver } from '../../buildpacks/python/driver.ts';
import { rustDriver } from '../../buildpacks/rust/driver.ts';
import type { Driver } from '../plan/plan.ts';
import type { ImageTag } from './image-names.ts';
import type { StandInKind } from './stand-in-kinds.ts';

export interface StandIn {
  /** "Node.js 24.21.0" is added by the driver. */
  what: string;
  /** tools: Debian with apt, as small images are. build: compilers, headers and git over it. */
  base: 'tools' | 'build';
  /** The app whose runtime it is: the driver plans for these files. */
  language?: { driver: Driver; files: Readonly<Record<string, string>>; layers: readonly string[] };
  packages?: readonly string[];
  /** Run over all of it, as root. */
  finish?: { script: string; path: readonly string[]; on: readonly string[] };
  path: readonly string[];
  env: Readonly<Record<string, string>>;
  config: {
    Cmd: string[];
    WorkingDir?: string;
    StopSignal?: string;
    ExposedPorts?: Record<string, object>;
  };
}

const debian: StandIn = {
  what: 'Debian 13',
  base: 'tools',
  path: [],
  env: {},
  config: { Cmd: ['bash'] },
};

export function standIn(kind: StandInKind, tag: ImageTag): StandIn {
  switch (kind) {
    case 'debian':
      return debian;
    case 'build':
      return { ...debian, what: 'Debian 13 with compilers', base: 'build' };
    case 'node':
      return node(tag);
    case 'python':
      return python(tag);
    case 'golang':
      return golang(tag);
    case 'rust':
      return rust(tag);
    case 'nginx':
      return nginx;
  }
}

/** With a dependency, or its tools would not be planned. */
const yarnApp = '{"packageManager":"yarn@1.22.22","dependencies":{"left-pad":"1.3.0"}}';

/** Code names of long-term lines are tags too. */
function node({ version, words, isSlim }: ImageTag): StandIn {
  const [word = ''] = words;
  const isName = /^(argon|boron|carbon|dubnium|erbium|fermium|gallium|hydrogen|iron|jod|krypton)$/.test(word);
  const wish = version !== '' ? version : isName ? `lts/${word}` : word === 'lts' ? 'lts/*' : 'latest';
  return {
    what: '',
    base: isSlim ? 'tools' : 'build',
    language: {
      driver: nodeDriver,
      files: { 'package.json': yarnApp, 'yarn.lock': '', '.nvmrc': wish },
      layers: ['runtime', 'npm', 'manager'],
    },
    finish: {
      script: placeNode,
      path: ['/opt/berth/toolbox/bin'],
      on: ['toolbox'],
    },
    path: [],
    // Where `npm install --global` puts things; Node itself would answer with the folder it really is in.
    env: { YARN_VERSION: '1.22.22', NPM_CONFIG_PREFIX: '/usr/local' },
    config: { Cmd: ['node'] },
  };
}

const placeNode = `
mkdir -p /usr/local/bin /usr/local/lib/node_modules
cd /usr/local/bin
ln -s /opt/berth/node/bin/node node
ln -s node nodejs
ln -s /opt/berth/npm/lib/node_modules/npm ../lib/node_modules/npm
for name in npm npx; do ln -s ../lib/node_modules/npm/bin/$name-cli.js $name; done
for name in yarn yarnpkg; do ln -s /opt/berth/yarn/bin/yarn $name; done
npm install --global --prefix /opt/berth/corepack --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error corepack@0.34.0 >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
ln -s /opt/berth/corepack/lib/node_modules/corepack ../lib/node_modules/corepack
ln -s ../lib/node_modules/corepack/dist/corepack.js corepack
echo 'node:x:1000:1000::/home/node:/bin/bash' >> /etc/passwd
echo 'node:x:1000:' >> /etc/group
mkdir -p /home/node
chown 1000:1000 /home/node
rm -rf /root/.npm
`;

function python({ version, isSlim }: ImageTag): StandIn {
  return {
    what: '',
    base: isSlim ? 'tools' : 'build',
    language: {
      driver: pythonDriver,
      files: { 'requirements.txt': '', ...(version === '' ? {} : { '.python-version': version }) },
      layers: ['runtime'],
    },
    finish: { script: placePython, path: ['/opt/berth/python-tools/bin'], on: ['uv'] },
    path: ['/usr/local/bin', '/opt/berth/python/local/bin', '/opt/berth/python/bin'],
    // Debian's Python asks its users to leave its packages alone; here it is theirs.
    env: {
      PIP_BREAK_SYSTEM_PACKAGES: '1',
      PIP_ROOT_USER_ACTION: 'ignore',
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
    },
    config: { Cmd: ['python3'] },
  };
}

const placePython = `
python=/opt/berth/python/bin/python3
site=$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p /usr/local/bin "$site"
uv pip install --quiet --no-cache --python $python --target "$site" pip==25.3 setuptools==80.9.0 wheel==0.45.1
rm -rf "$site/bin" "$site/.lock"
cd /usr/local/bin
for name in python python3; do ln -s $python $name; done
for name in pip pip3; do
  printf '#!/bin/sh\\nexec /usr/local/bin/python3 -m pip "$@"\\n' > $name
  chmod 755 $name
done
`;

function golang({ version }: ImageTag): StandIn {
  const line = version === '' ? '' : `go ${version}\n`;
  return {
    what: '',
    base: 'build',
    language: {
      driver: goDriver,
      files: { 'go.mod': `module stand-in\n\n${line}`, 'main.go': 'package main\n\nfunc main() {}\n' },
      layers: ['runtime'],
    },
    finish: { script: placeGo, path: [], on: [] },
    path: ['/go/bin', '/usr/local/go/bin'],
    env: { GOPATH: '/go', GOTOOLCHAIN: 'local' },
    config: { Cmd: ['bash'], WorkingDir: '/go' },
  };
}

const placeGo = `
mkdir -p /usr/local /go/src /go/bin
chmod 1777 /go /go/src /go/bin
ln -s /opt/berth/go /usr/local/go
`;

function rust({ version }: ImageTag): StandIn {
  return {
    what: '',
    base: 'build',
    language: {
      driver: rustDriver,
      files: {
        'Cargo.toml': '[package]\nname = "stand-in"\nversion = "0.1.0"\n',
        'Cargo.lock': 'version = 3\n\n[[package]]\nname = "stand-in"\nversion = "0.1.0"\n',
        'src/main.rs': 'fn main() {}\n',
        ...(version === '' ? {} : { 'rust-toolchain': `${version}\n` }),
      },
      layers: ['runtime'],
    },
    path: ['/usr/local/cargo/bin', '/opt/berth/rust/bin'],
    env: { CARGO_HOME: '/usr/local/cargo' },
    config: { Cmd: ['bash'] },
  };
}

/** Debian's, laid out as nginx's own image: conf.d, logs to the container's output, its user. */
const nginx: StandIn = {
  what: "Debian 13's nginx",
  base: 'tools',
  packages: ['nginx'],
  finish: {
    path: [],
    on: ['packages'],
    script: `
echo 'nginx:x:101:101:nginx:/nonexistent:/bin/false' >> /etc/passwd
echo 'nginx:x:101:' >> /etc/group
mkdir -p /etc/nginx/conf.d /var/log/nginx /var/cache/nginx /var/lib/nginx /usr/share/nginx/html
rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
cat > /etc/nginx/nginx.conf <<'END'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /var/log/nginx/access.log;
  sendfile on;
  keepalive_timeout 65;
  include /etc/nginx/conf.d/*.conf;
}
END
cat > /etc/nginx/conf.d/default.conf <<'END'
server {
  listen 80;
  server_name localhost;
  location / {
    root /usr/share/nginx/html;
    index index.html index.htm;
  }
}
END
`,
  },
  path: [],
  env: {},
  config: {
    Cmd: ['nginx', '-g', 'daemon off;'],
    StopSignal: 'SIGQUIT',
    ExposedPorts: { '80/tcp': {} },
  },
};
