import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addEarlierSbom } from './earlier-sbom.ts';
import { Inventory } from './inventory.ts';
import { inventoryOf } from './lock-files.ts';
import { makeSbom } from './make-sbom.ts';
import { genericPurl, goPurl, mavenPurl, npmPurl, pypiPurl, systemPurl } from './purl.ts';
import { addSystemPackages, alpinePackages, debianPackages } from './system-packages.ts';

const sha512 = `sha512-${Buffer.alloc(64, 7).toString('base64')}`;
const hex512 = '07'.repeat(64);
const hex256 = 'ab'.repeat(32);

/** What is asked for, then each component with its scope, what it needs and the hashes it has. */
function seen(files: Record<string, string>): string[] {
  const inventory = inventoryOf(new Map(Object.entries(files)));
  const lines = [...inventory.components].map(([ref, { scope, hashes = [], archives = [] }]) => {
    const all = [...hashes, ...archives.flatMap((archive) => archive.hashes)];
    const needs = inventory.needsOf(ref);
    return `${ref}${scope === undefined ? '' : ` ${scope}`}${needs.length === 0 ? '' : ` > ${needs.join(', ')}`}${all.length === 0 ? '' : ` #${all.length}`}`;
  });
  return [
    `asked: ${[...inventory.direct].join(', ')}`,
    ...lines,
    ...inventory.notes.map((note) => `! ${note}`),
  ];
}

test('package-lock.json: packages are found where Node finds them, whatever is nested and linked', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { a: '^1.0.0', '@org/member': '*' }, devDependencies: { d: '1' } },
      member: { name: '@org/member', version: '0.1.0', dependencies: { b: '^2.0.0' } },
      'node_modules/@org/member': { resolved: 'member', link: true },
      'node_modules/a': { version: '1.0.0', integrity: sha512, dependencies: { b: '^1.0.0', none: '1' } },
      'node_modules/a/node_modules/b': { version: '1.5.0' },
      'node_modules/b': { version: '2.0.0', optional: true },
      'node_modules/d': { version: '1.0.0', dev: true },
    },
  };
  assert.deepEqual(seen({ 'package-lock.json': JSON.stringify(lock) }), [
    'asked: pkg:npm/a@1.0.0, own:@org/member@0.1.0, pkg:npm/d@1.0.0',
    'own:@org/member@0.1.0 > pkg:npm/b@2.0.0',
    'pkg:npm/a@1.0.0 > pkg:npm/b@1.5.0 #1',
    'pkg:npm/b@1.5.0',
    'pkg:npm/b@2.0.0 optional',
    'pkg:npm/d@1.0.0 excluded',
  ]);
  const old = {
    lockfileVersion: 1,
    dependencies: {
      a: { version: '1.0.0', requires: { b: '^1.0.0' }, dependencies: { b: { version: '1.5.0' } } },
      b: { version: '2.0.0' },
    },
  };
  assert.deepEqual(seen({ 'package-lock.json': JSON.stringify(old) }), [
    'asked: pkg:npm/a@1.0.0, pkg:npm/b@2.0.0',
    'pkg:npm/a@1.0.0 > pkg:npm/b@1.5.0',
    'pkg:npm/b@1.5.0',
    'pkg:npm/b@2.0.0',
  ]);
});

test('yarn.lock, both forms: an entry answers several wishes', () => {
  const manifest = JSON.stringify({ dependencies: { a: '^1.0.0' } });
  const classic = `# yarn lockfile v1

"@s/b@^2.0.0", "@s/b@^2.1.0":
  version "2.1.3"
  integrity ${sha512}

a@^1.0.0:
  version "1.0.5"
  dependencies:
    "@s/b" "^2.1.0"
`;
  const expected = [
    'asked: pkg:npm/a@1.0.5',
    'pkg:npm/%40s/b@2.1.3',
    'pkg:npm/a@1.0.5 > pkg:npm/%40s/b@2.1.3',
  ];
  assert.deepEqual(
    seen({ 'package.json': manifest, 'yarn.lock': classic }).map((line) => line.replace(/ #1$/, '')),
    expected,
  );
  const berry = `__metadata:
  version: 8

"@s/b@npm:^2.0.0, @s/b@npm:^2.1.0":
  version: 2.1.3
  resolution: "@s/b@npm:2.1.3"
  checksum: 10c0/00
  languageName: node
  linkType: hard

"a@npm:^1.0.0":
  version: 1.0.5
  resolution: "a@npm:1.0.5"
  dependencies:
    "@s/b": "npm:^2.1.0"
  linkType: hard

"site@workspace:.":
  version: 0.0.0-use.local
  resolution: "site@workspace:."
  dependencies:
    a: "npm:^1.0.0"
  linkType: soft
`;
  assert.deepEqual(seen({ 'package.json': manifest, 'yarn.lock': berry }), expected);
});

test('pnpm-lock.yaml and bun.lock', () => {
  const pnpm = `lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      a:
        specifier: ^1.0.0
        version: 1.0.5(react@18.0.0)

packages:

  '@s/b@2.1.3':
    resolution: {integrity: ${sha512}}

  a@1.0.5:
    resolution: {integrity: ${sha512}, tarball: x}
    peerDependencies:
      react: '*'

snapshots:

  '@s/b@2.1.3': {}

  a@1.0.5(react@18.0.0):
    dependencies:
      '@s/b': 2.1.3
`;
  const expected = [
    'asked: pkg:npm/a@1.0.5',
    'pkg:npm/%40s/b@2.1.3 #1',
    'pkg:npm/a@1.0.5 > pkg:npm/%40s/b@2.1.3 #1',
  ];
  assert.deepEqual(seen({ 'pnpm-lock.yaml': pnpm }), expected);
  const bun = `{
  "lockfileVersion": 1,
  "workspaces": { "": { "dependencies": { "a": "^1.0.0", }, }, },
  "packages": {
    "@s/b": ["@s/b@2.1.3", "", {}, "${sha512}"],
    "a": ["a@1.0.5", "", { "dependencies": { "@s/b": "^2.1.0" } }, "${sha512}"],
  }
}`;
  assert.deepEqual(seen({ 'bun.lock': bun }), expected);
});

test('uv.lock: what only developers install is excluded, an extra brings what it needs', () => {
  const uv = `version = 1
[[package]]
name = "site"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "Api-Kit", extra = ["fast"] }]
[package.dev-dependencies]
dev = [{ name = "linter" }]
[[package]]
name = "api-kit"
version = "1.0"
source = { registry = "https://user:secret@example.org/simple" }
sdist = { url = "https://user:secret@example.org/api_kit-1.0.tar.gz?token=secret", hash = "sha256:${hex256}" }
[package.optional-dependencies]
fast = [{ name = "speed" }]
[[package]]
name = "linter"
version = "3"
source = { registry = "x" }
[[package]]
name = "speed"
version = "2"
source = { registry = "x" }
`;
  assert.deepEqual(seen({ 'uv.lock': uv }), [
    'asked: pkg:pypi/api-kit@1.0',
    'pkg:pypi/api-kit@1.0 > pkg:pypi/speed@2 #1',
    'pkg:pypi/linter@3 excluded',
    'pkg:pypi/speed@2',
  ]);
  assert.doesNotMatch(makeSbom(inventoryOf(new Map([['uv.lock', uv]])), facts), /secret|example\.org/);
});

test('poetry.lock, Pipfile.lock and requirement files', () => {
  const poetry = `[[package]]
name = "Web"
version = "1.0"
groups = ["main"]
files = [{file = "web-1.0.whl", hash = "sha256:${hex256}"}]
[package.dependencies]
core = ">=1"
[[package]]
name = "core"
version = "1.2"
groups = ["main"]
[[package]]
name = "lint"
version = "2"
groups = ["dev"]
`;
  assert.deepEqual(seen({ 'poetry.lock': poetry }), [
    'asked: pkg:pypi/web@1.0, pkg:pypi/lint@2',
    'pkg:pypi/web@1.0 > pkg:pypi/core@1.2 #1',
    'pkg:pypi/core@1.2',
    'pkg:pypi/lint@2 excluded',
  ]);
  const pipfile = {
    default: { web: { version: '==1.0', hashes: [`sha256:${hex256}`] } },
    develop: { lint: { version: '==2' } },
  };
  assert.deepEqual(seen({ 'Pipfile.lock': JSON.stringify(pipfile) }), [
    'asked: pkg:pypi/web@1.0',
    'pkg:pypi/web@1.0 #1',
    'pkg:pypi/lint@2 excluded',
  ]);
  const requirements = {
    'requirements.txt': `-r requirements/base.txt\nWeb_Kit[fast]==1.0 \\\n  --hash=sha256:${hex256}\nopen>=2 # why\n`,
    'requirements/base.txt': 'core == 1.2 ; python_version > "3"\n',
    'requirements/dev.txt': 'lint==2\n',
  };
  assert.deepEqual(seen(requirements), [
    'asked: pkg:pypi/web-kit@1.0, pkg:pypi/core@1.2',
    'pkg:pypi/web-kit@1.0 #1',
    'pkg:pypi/core@1.2',
    '! 1 requirements without a fixed version, and what the others need beside them',
  ]);
});

test('go.mod with go.sum: replacements are what is built, go.mod files of go.sum are nothing', () => {
  const h1 = `h1:${Buffer.alloc(32, 7).toString('base64')}`;
  const mod = `module example.com/x
go 1.22
require github.com/A/b v1.0.0
require (
	example.com/fork v1.1.0
	example.com/local v0.0.0
	example.com/deep/v2 v2.0.0+incompatible // indirect
)
replace example.com/fork => example.com/other v1.2.0
replace example.com/local => ./local
`;
  const sum = `github.com/A/b v1.0.0 ${h1}\ngithub.com/A/b v1.0.0/go.mod ${h1}\nexample.com/unused v1.0.0 ${h1}\n`;
  assert.deepEqual(seen({ 'go.mod': mod, 'go.sum': sum }), [
    'asked: pkg:golang/github.com/a/b@v1.0.0, pkg:golang/example.com/other@v1.2.0',
    'pkg:golang/github.com/a/b@v1.0.0 #1',
    'pkg:golang/example.com/other@v1.2.0',
    'pkg:golang/example.com/deep/v2@v2.0.0%2Bincompatible',
  ]);
});

test('Cargo.lock: two versions of a crate are told apart', () => {
  const cargo = `version = 4
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["log 0.4.1", "web"]
[[package]]
name = "log"
version = "0.3.9"
source = "registry+x"
checksum = "${hex256}"
[[package]]
name = "log"
version = "0.4.1"
source = "registry+x"
[[package]]
name = "web"
version = "1.0.0"
source = "registry+x"
dependencies = ["log 0.3.9"]
`;
  assert.deepEqual(seen({ 'Cargo.lock': cargo }), [
    'asked: pkg:cargo/log@0.4.1, pkg:cargo/web@1.0.0',
    'pkg:cargo/log@0.3.9 #1',
    'pkg:cargo/log@0.4.1',
    'pkg:cargo/web@1.0.0 > pkg:cargo/log@0.3.9',
  ]);
});

test('Gemfile.lock, composer.lock, gradle.lockfile, pom.xml', () => {
  const gems = `GEM
  remote: https://gems.example.org/
  specs:
    rack (3.1.0)
    web (2.0.0-x86_64-linux)
      rack (>= 2, < 4)

DEPENDENCIES
  web

CHECKSUMS
  rack (3.1.0) sha256=${hex256}
`;
  assert.deepEqual(seen({ 'Gemfile.lock': gems }), [
    'asked: pkg:gem/web@2.0.0',
    'pkg:gem/rack@3.1.0 #1',
    'pkg:gem/web@2.0.0 > pkg:gem/rack@3.1.0',
  ]);
  const composer = {
    packages: [
      { name: 'v/Web', version: 'v1.0', require: { php: '>=8', 'v/core': '*' } },
      { name: 'v/core', version: '2' },
    ],
    'packages-dev': [{ name: 'v/test', version: '3' }],
  };
  assert.deepEqual(seen({ 'composer.lock': JSON.stringify(composer) }), [
    'asked: pkg:composer/v/web@v1.0, pkg:composer/v/test@3',
    'pkg:composer/v/web@v1.0 > pkg:composer/v/core@2',
    'pkg:composer/v/core@2',
    'pkg:composer/v/test@3 excluded',
  ]);
  const gradle = 'org.a:b:1.0=compileClasspath,runtimeClasspath\norg.a:t:2=testRuntimeClasspath\nempty=x\n';
  assert.deepEqual(seen({ 'gradle.lockfile': gradle }), [
    'asked: pkg:maven/org.a/b@1.0, pkg:maven/org.a/t@2',
    'pkg:maven/org.a/b@1.0',
    'pkg:maven/org.a/t@2 excluded',
  ]);
  const dependency = (name: string, more: string) =>
    `<dependency><groupId>g</groupId><artifactId>${name}</artifactId>${more}</dependency>`;
  const pom = `<project><properties><v>1.5</v></properties><dependencies>${dependency('a', '<version>\u0024{v}</version>')}${dependency('b', '')}</dependencies></project>`;
  assert.deepEqual(seen({ 'pom.xml': pom }), [
    'asked: pkg:maven/g/a@1.5',
    'pkg:maven/g/a@1.5',
    '! 1 dependencies of pom.xml whose version stands elsewhere, and what the dependencies of pom.xml need themselves',
  ]);
});

test('a lock file that nobody can read, or that is made to do harm, is a note and nothing else', () => {
  const hostile = JSON.stringify({
    packages: { '': { dependencies: { constructor: '1' } }, 'node_modules/__proto__': { version: '1' } },
  });
  assert.deepEqual(seen({ 'package-lock.json': hostile }), ['asked: ', 'pkg:npm/__proto__@1']);
  for (const [path, text] of [
    ['package-lock.json', '{"packages": '],
    ['uv.lock', '[[[['],
    ['pom.xml', '<!DOCTYPE x>'],
  ] as const)
    assert.match(seen({ [path]: text }).join('\n'), new RegExp(`^asked: \\n! "${path}" could not be read`));
  assert.deepEqual(seen({ 'package.json': '{"dependencies": {"a": "1"}}', 'Cargo.toml': '' }), [
    'asked: ',
    '! the packages of "package.json": no lock file says which they are',
    '! the packages of "Cargo.toml": no lock file says which they are',
  ]);
  for (const text of ['null', '[]', '{"packages": {"node_modules/a": {"version": {}, "integrity": []}}}'])
    assert.deepEqual(seen({ 'package-lock.json': text }), ['asked: ']);
});

test('package URLs are encoded as the specification says', () => {
  assert.deepEqual(
    [
      npmPurl('@babel/core', '7.0.0'),
      pypiPurl('Zope.Interface_x', '1.0+local'),
      goPurl('github.com/A/B', 'v1.0.0'),
      mavenPurl('org.a', 'b', '1'),
      genericPurl('node', '24.1.0'),
      npmPurl('../x?y#z', '1 0'),
      systemPurl('deb', 'debian', 'libstdc++6', '1:2~a+b', {
        arch: 'amd64',
        distro: 'debian-13',
        upstream: undefined,
      }),
    ],
    [
      'pkg:npm/%40babel/core@7.0.0',
      'pkg:pypi/zope-interface-x@1.0%2Blocal',
      'pkg:golang/github.com/a/b@v1.0.0',
      'pkg:maven/org.a/b@1',
      'pkg:generic/node@24.1.0',
      'pkg:npm/../x%3Fy%23z@1%200',
      'pkg:deb/debian/libstdc%2B%2B6@1:2~a%2Bb?arch=amd64&distro=debian-13',
    ],
  );
});

test("Debian's and Alpine's lists of packages", () => {
  const debian = debianPackages(
    'Package: curl\nStatus: install ok installed\nArchitecture: amd64\nSource: curl-src (1.0)\nVersion: 8.1-2\nDepends: libc6 (>= 2.3) | libc, zlib1g:any\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: libc6\nVersion: 2.41\nArchitecture: amd64\n',
  );
  const into = new Inventory();
  addSystemPackages({ vendor: 'debian', release: '13', name: 'Debian', packages: debian }, into);
  const curl = 'pkg:deb/debian/curl@8.1-2?arch=amd64&distro=debian-13&upstream=curl-src%401.0';
  const libc = 'pkg:deb/debian/libc6@2.41?arch=amd64&distro=debian-13';
  assert.deepEqual([...into.components.keys()], ['own:debian@13', curl, libc]);
  assert.deepEqual(into.needsOf(curl), [libc]);
  const alpine = alpinePackages(
    'P:musl\nV:1.2\nA:x86_64\np:so:libc.musl=1\n\nP:busybox\nV:1.3\nA:x86_64\nD:so:libc.musl>=1 !x\no:bb\n',
  );
  assert.deepEqual(
    alpine.map(({ name, upstream, needs }) => [name, upstream, needs]),
    [
      ['musl', undefined, []],
      ['busybox', 'bb', [['so:libc.musl', 'musl']]],
    ],
  );
});

const facts = {
  appName: 'shop',
  commit: 'c'.repeat(40),
  commitTime: 1_700_000_000,
  image: `sha256:${'d'.repeat(64)}`,
  version: '0.1.0',
};

test('an image on another stack keeps what it had, but for the packages of the system', () => {
  const poetry = `[[package]]\nname = "web"\nversion = "1"\nfiles = [{file = "web-1+x.whl", hash = "sha256:${hex256}"}]\n[package.dependencies]\ncore = "1"\n[[package]]\nname = "core"\nversion = "1"\n[[package]]\nname = "lint"\nversion = "1"\ncategory = "dev"\n`;
  const files = new Map([
    ['poetry.lock', poetry],
    ['package-lock.json', JSON.stringify({ packages: { '': {}, m: { name: '@o/m', version: '1' } } })],
    ['pom.xml', '<project/>'],
  ]);
  const before = inventoryOf(files);
  const after = new Inventory();
  const sbom = makeSbom(before, facts);
  assert.equal(addEarlierSbom(sbom, after), facts.commitTime);
  assert.equal(makeSbom(after, facts), sbom);
  const packages = debianPackages('Package: libc6\nVersion: 2\n');
  addSystemPackages({ vendor: 'debian', release: '13', name: 'Debian', packages }, before);
  const again = new Inventory();
  addEarlierSbom(makeSbom(before, facts), again);
  assert.equal(makeSbom(again, facts), sbom);
});

test('the document: the same inventory gives the same bytes, another one another serial number', () => {
  const make = (version: string) => {
    const inventory = new Inventory();
    const ref = inventory.add({
      type: 'library',
      group: '@s',
      name: 'b',
      version,
      purl: npmPurl('@s/b', version),
      hashes: [{ alg: 'SHA-512', content: hex512 }],
    });
    inventory.direct.add(ref);
    return makeSbom(inventory, facts);
  };
  assert.equal(make('1.0.0'), make('1.0.0'));
  const sbom = JSON.parse(make('1.0.0')) as Record<string, unknown>;
  assert.notEqual(
    sbom['serialNumber'],
    (JSON.parse(make('1.0.1')) as Record<string, unknown>)['serialNumber'],
  );
  assert.match(
    String(sbom['serialNumber']),
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const root = `berth:shop@${'c'.repeat(40)}`;
  assert.deepEqual(
    { ...sbom, serialNumber: '' },
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: '',
      version: 1,
      metadata: {
        timestamp: '2023-11-14T22:13:20.000Z',
        lifecycles: [{ phase: 'build' }],
        tools: { components: [{ type: 'application', name: 'berth', version: '0.1.0' }] },
        component: {
          type: 'container',
          'bom-ref': root,
          name: 'shop',
          version: 'c'.repeat(40),
          properties: [{ name: 'berth:image', value: facts.image }],
        },
      },
      components: [
        {
          type: 'library',
          'bom-ref': 'pkg:npm/%40s/b@1.0.0',
          group: '@s',
          name: 'b',
          version: '1.0.0',
          hashes: [{ alg: 'SHA-512', content: hex512 }],
          purl: 'pkg:npm/%40s/b@1.0.0',
        },
      ],
      dependencies: [{ ref: root, dependsOn: ['pkg:npm/%40s/b@1.0.0'] }, { ref: 'pkg:npm/%40s/b@1.0.0' }],
      compositions: [{ aggregate: 'unknown', assemblies: [root] }],
    },
  );
});
