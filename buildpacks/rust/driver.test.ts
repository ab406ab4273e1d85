import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { AppError } from '@berth/kit/errors.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { rustDriver } from './driver.ts';

const channels: Record<string, string> = {
  'channel-rust-stable.toml': '1.99.1 2026-10-15',
  'channel-rust-1.84.toml': '1.84.1 2025-01-30',
  'channel-rust-1.84.0.toml': '1.84.0 2025-01-09',
  'channel-rust-nightly.toml': '1.101.0-nightly 2026-11-20',
  '2026-01-31/channel-rust-nightly.toml': '1.95.0-nightly 2026-01-31',
};
const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async (list) => list.parse(channels[list.env['MANIFEST'] ?? ''] ?? ''),
};
const planOf = (files: Record<string, string>, more: Partial<PlanContext> = {}): Promise<BuildPlan> =>
  rustDriver.plan(treeOfFiles(files), { ...context, ...more });
const shape = (plan: BuildPlan) =>
  plan.layers.map((layer) => `${layer.id}${layer.inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;
const manifest = (name: string, more = '') => `[package]\nname = "${name}"\nversion = "0.1.0"\n${more}`;
const plain = {
  'Cargo.toml': manifest('hello'),
  'Cargo.lock': '[[package]]\nname = "hello"\n',
  'src/main.rs': '',
};

test('one package: every layer, and the whole build step', async () => {
  const plan = await planOf(plain);
  assert.deepEqual(shape(plan), ['runtime (not in the image)', 'source', 'output']);
  assert.deepEqual(plan.details, [
    'Rust 1.99.1 (stable; ask for another in rust-toolchain.toml)',
    'Binaries: hello',
  ]);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'bin/hello' });
  assert.deepEqual([plan.warnings, plan.env, plan.path], [[], {}, ['/app/bin']]);
  assert.equal(run(plan, 'runtime').env['MANIFEST'], 'channel-rust-1.99.1.toml');
  const { script, explain, key, ...step } = run(plan, 'output');
  assert.match(script, /^cargo build "\$@"$/m);
  assert.equal(typeof explain, 'function');
  assert.equal(key.length, 1);
  assert.deepEqual(step, {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: 'Compiling hello (cargo build --release --locked)',
    step: 'build',
    on: ['runtime', 'source'],
    scope: 'app',
    files: [],
    stack: 'build',
    user: 'app',
    env: {
      OWN: 'hello',
      BUILT: 'hello',
      BINARIES: 'hello',
      FEATURES: '',
      NO_DEFAULT_FEATURES: '',
      LOCKED: 'yes',
      LINKED: '',
      CARGO_HOME: '/cache/cargo',
      CARGO_TARGET_DIR: '/cache/target',
      CARGO_TERM_COLOR: 'never',
      CARGO_TERM_PROGRESS_WHEN: 'never',
      TOOLCHAIN: '1.99.1',
    },
    path: ['/opt/berth/rust/bin'],
    vars: 'all',
    caches: { cargo: '/cache/cargo', 'cargo-target': '/cache/target' },
    keep: '/app',
    leaveOut: ['Cargo.lock'],
    quiet: false,
  });
});

test('Rust comes from where the community writes it', async () => {
  const rust = async (files: Record<string, string>, vars = {}) => {
    const plan = await planOf({ ...plain, ...files }, { vars });
    return `${plan.details[0]} ${run(plan, 'runtime').env['MANIFEST']}`;
  };
  assert.equal(
    await rust({ 'rust-toolchain.toml': '[toolchain]\nchannel = "1.84"\ncomponents = ["clippy"]\n' }),
    'Rust 1.84.1 (rust-toolchain.toml) channel-rust-1.84.1.toml',
  );
  assert.equal(
    await rust({ 'rust-toolchain': '1.84.0\n' }),
    'Rust 1.84.0 (rust-toolchain) channel-rust-1.84.0.toml',
  );
  assert.equal(
    await rust({ 'rust-toolchain': '[toolchain]\nchannel = "stable-x86_64-unknown-linux-gnu"\n' }),
    'Rust 1.99.1 (rust-toolchain) channel-rust-1.99.1.toml',
  );
  assert.equal(
    await rust({ '.tool-versions': 'rust 1.84.0\n' }),
    'Rust 1.84.0 (.tool-versions) channel-rust-1.84.0.toml',
  );
  assert.equal(
    await rust({ RustConfig: 'VERSION=1.84.0\n' }),
    'Rust 1.84.0 (RustConfig) channel-rust-1.84.0.toml',
  );
  assert.equal(
    await rust({}, { RUSTUP_TOOLCHAIN: 'nightly' }),
    'Rust 1.101.0-nightly (the config var RUSTUP_TOOLCHAIN) 2026-11-20/channel-rust-nightly.toml',
    'a nightly is pinned to its day',
  );
  assert.equal(
    await rust({ 'rust-toolchain': 'nightly-2026-01-31' }),
    'Rust 1.95.0-nightly (rust-toolchain) 2026-01-31/channel-rust-nightly.toml',
  );
});

test('a Rust that cannot be had is refused', async () => {
  const rejects = (files: Record<string, string>, message: string, hint: string) =>
    assert.rejects(planOf({ ...plain, ...files }), { message, hint });
  await rejects(
    { 'rust-toolchain': '1.84.9' },
    'there is no Rust "1.84.9" (rust-toolchain)',
    'nearest: 1.84.1, 1.99.1',
  );
  await rejects({ 'rust-toolchain': '1.3' }, 'there is no Rust "1.3" (rust-toolchain)', 'nearest: 1.99.1');
  await rejects(
    { 'rust-toolchain': 'banana' },
    '"banana" (rust-toolchain) is not a Rust toolchain',
    'write "stable", a version such as "1.84.0", or "nightly-2026-01-31"',
  );
  await rejects(
    { 'rust-toolchain': '1.84', 'Cargo.toml': manifest('hello', 'rust-version = "1.90"\n') },
    'Cargo.toml needs Rust 1.90, this build has 1.84.1 (rust-toolchain)',
    'ask for "1.90" in rust-toolchain.toml',
  );
  await rejects(
    { 'rust-toolchain.toml': '[toolchain]\npath = "/x"\n' },
    'rust-toolchain.toml names a toolchain by its path',
    'name a channel: channel = "1.84.0"',
  );
});

test("without the distribution server Debian's compiler serves whom it suits", async () => {
  const away = {
    listVersions: () =>
      Promise.reject(new AppError('build_failed', 'the versions of Rust cannot be had from the registry')),
  };
  const plan = await planOf(plain, away);
  assert.deepEqual(run(plan, 'runtime').key, ['cargo', 'rustc']);
  assert.equal(run(plan, 'runtime').inImage, false);
  assert.deepEqual(run(plan, 'output').path, []);
  assert.match(plan.warnings.join(), /Debian's Rust 1\.85\.0 builds the app/);
  await assert.rejects(
    planOf({ ...plain, 'rust-toolchain': '1.84' }, away),
    /cannot be had from the registry/,
  );
});

test('binaries are found as cargo finds them', async () => {
  const binaries = async (files: Record<string, string>, vars = {}) =>
    (await planOf({ ...plain, ...files }, { vars })).defaultProcessTypes;
  assert.deepEqual(
    await binaries({ 'src/bin/worker.rs': '', 'src/bin/server/main.rs': '', 'src/bin/server/x.rs': '' }),
    {
      web: 'bin/server',
      hello: 'bin/hello',
      worker: 'bin/worker',
    },
  );
  const named = manifest('hello', '[[bin]]\nname = "shop"\npath = "src/main.rs"\n');
  assert.deepEqual(await binaries({ 'Cargo.toml': named }), { web: 'bin/shop' });
  const alone = manifest('hello', 'autobins = false\n[[bin]]\nname = "b"\npath = "b.rs"\n');
  assert.deepEqual(await binaries({ 'Cargo.toml': alone, 'b.rs': '' }), { web: 'bin/b' });
  const optional = manifest(
    'hello',
    '[features]\nextra = []\n[[bin]]\nname = "tool"\nrequired-features = ["extra"]\n',
  );
  assert.deepEqual(await binaries({ 'Cargo.toml': optional, 'src/bin/tool.rs': '' }), { web: 'bin/hello' });
  assert.deepEqual(
    await binaries({ 'Cargo.toml': optional, 'src/bin/tool.rs': '' }, { CARGO_FEATURES: 'extra' }),
    {
      web: 'bin/hello',
      tool: 'bin/tool',
    },
  );
  const { 'src/main.rs': _, ...nothing } = plain;
  await assert.rejects(planOf(nothing), { message: 'the app has no binary' });
});

test('a workspace: members by pattern, default-members, and the library at its root', async () => {
  const members = {
    'crates/api/Cargo.toml': manifest('api'),
    'crates/api/src/main.rs': '',
    'crates/lib/Cargo.toml': manifest('lib'),
    'crates/lib/src/lib.rs': '',
    'crates/old/Cargo.toml': manifest('old'),
    'crates/old/src/main.rs': '',
    'tools/gen/Cargo.toml': manifest('gen'),
    'tools/gen/src/main.rs': '',
  };
  const built = async (workspace: string) => {
    const { env } = run(await planOf({ ...members, 'Cargo.toml': workspace }), 'output');
    return `${env['BUILT']} | ${env['BINARIES']} | ${env['OWN']}`;
  };
  assert.equal(
    await built('[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/old"]\n'),
    'api | api | api gen lib old',
  );
  assert.equal(
    await built('[workspace]\nmembers = ["crates/*", "tools/gen"]\ndefault-members = ["tools/gen"]\n'),
    'gen | gen | api gen lib old',
  );
  assert.equal(
    await built(`${manifest('top')}[workspace]\nmembers = ["crates/api"]\n`),
    'api | api | api gen lib old top',
  );
  await assert.rejects(planOf({ 'Cargo.toml': '[workspace]\nmembers = ["gone"]\n' }), {
    message: 'the workspace has a member "gone", which is not in the commit',
  });
});

test('Rocket is told where to listen, and libraries that crates load are in the image', async () => {
  const lock = '[[package]]\nname = "rocket"\n\n[[package]]\nname = "pq-sys"\n';
  const plan = await planOf({ ...plain, 'Cargo.lock': lock });
  assert.deepEqual(plan.env, { ROCKET_ADDRESS: '0.0.0.0' });
  assert.deepEqual(plan.defaultProcessTypes, { web: 'ROCKET_PORT=$PORT exec bin/hello' });
  assert.deepEqual(shape(plan), ['runtime (not in the image)', 'runtime-libraries', 'source', 'output']);
  assert.deepEqual(run(plan, 'runtime-libraries').key, ['libpq5']);
});

test('features are names, never flags', async () => {
  const vars = { CARGO_FEATURES: 'tls, site/gzip', CARGO_NO_DEFAULT_FEATURES: 'true' };
  const { env } = run(await planOf(plain, { vars }), 'output');
  assert.deepEqual([env['FEATURES'], env['NO_DEFAULT_FEATURES']], ['tls,site/gzip', 'yes']);
  await assert.rejects(planOf(plain, { vars: { CARGO_FEATURES: '--config=x' } }), {
    message: '"--config=x" (the config var CARGO_FEATURES) is not a name of a feature',
  });
});

test('what is missing or too much in the commit is said', async () => {
  const { 'Cargo.lock': _, ...unlocked } = plain;
  const plan = await planOf({
    ...unlocked,
    'target/x': '',
    'src/bin/a.rs': '',
    'Cargo.toml': manifest('Hello'),
  });
  assert.deepEqual(plan.warnings, [
    'Cargo.lock is not in the commit: each build takes the newest crates that fit',
    'target is in the commit and left out: add it to .gitignore',
  ]);
  assert.equal(run(plan, 'output').env['LOCKED'], '');
});
