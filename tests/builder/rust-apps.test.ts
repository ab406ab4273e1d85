// Rust apps through the real engine: what is served, what is in the image, what is compiled again, and what a pusher is told. The compiler comes from the Rust
// distribution server, crates from crates.io.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type BuildOptions, type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbru' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

async function failure(files: Files, options?: BuildOptions): Promise<{ error: string; hint?: string }> {
  const build = await bench.build(files, options);
  assert.equal(build.end?.status, 'failed', build.output);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
  return build.end as unknown as { error: string; hint?: string };
}

const layersOf = async (build: FakeBuild) =>
  (await bench.engine.inspectImage(resultOf(build).image))?.RootFS.Layers ?? [];
const plain = fixture('rust-plain');

test('a binary is served with the files beside it, from an image without compiler and target', async () => {
  const build = await bench.build(plain, { app: 'plain' });
  const result = resultOf(build);
  assert.equal(result.language, 'Rust');
  assert.deepEqual(result.processTypes, { web: 'bin/hello' });
  assert.match(build.output, /^ {7}Rust 1\.\d+\.\d+ \(stable; ask for another in rust-toolchain\.toml\)$/m);
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'hello one from the source');
  await served.stop();
  const seen = await bench.runIn(
    result.image,
    'ls -A /app /app/bin; ls /opt; command -v hello; command -v cargo',
  );
  assert.equal(
    seen.output,
    '/app:\nCargo.lock\nCargo.toml\nbin\nsrc\nstatic\n\n/app/bin:\nhello\n/app/bin/hello\n',
  );
});

test('a changed line is compiled, whatever the time of its commit; crates are not', async () => {
  const files = { ...plain, 'src/words.rs': String(plain['src/words.rs']).replace('one', 'two') };
  const build = await bench.build(files, { app: 'plain' });
  assert.doesNotMatch(build.output, /Compiling tiny_http|Downloading/);
  assert.match(build.output, /Compiling hello v0\.1\.0/);
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'hello two from the source');
  await served.stop();
});

test('a failed build in between does not leave its code behind', async () => {
  const broken = { ...plain, 'src/words.rs': 'pub const GREETING: &str = 1;\n' };
  const told = await failure(broken, { app: 'plain' });
  assert.equal(told.error, 'src/words.rs:1:28: mismatched types');
  assert.equal(told.hint, "the compiler's own messages are above");
  const again = await bench.build({ ...plain, 'empty.txt': '' }, { app: 'plain' });
  const first = await bench.build(plain, { app: 'plain' });
  assert.equal(
    (await layersOf(again)).at(-1),
    (await layersOf(first)).at(-1),
    'the same code is the same layer',
  );
});

test('a workspace: each binary is a process type, target/release of a Procfile is there', async () => {
  const files = fixture('rust-workspace');
  const build = await bench.build(files, { app: 'workspace' });
  const result = resultOf(build);
  assert.deepEqual(result.processTypes, { web: 'bin/site', worker: 'bin/worker' });
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'one library, two binaries');
  await served.stop();
  const usual = await bench.build(
    { ...files, Procfile: 'worker: ./target/release/worker\n' },
    { app: 'workspace' },
  );
  const seen = await bench.runIn(resultOf(usual).image, './target/release/worker; worker');
  assert.equal(seen.output, 'worker: one library, two binaries\n'.repeat(2));
});

const manifest = (more = '') => `[package]\nname = "broken"\nversion = "0.1.0"\nedition = "2021"\n${more}`;
const main = 'fn main() {}\n';
const failures: { name: string; files: Files; error: string; hint?: RegExp | string }[] = [
  {
    name: 'a Cargo.lock out of step is told',
    files: {
      'Cargo.toml': manifest('\n[dependencies]\nascii = "1"\n'),
      'Cargo.lock': 'version = 3\n\n[[package]]\nname = "broken"\nversion = "0.1.0"\n',
      'src/main.rs': main,
    },
    error: 'Cargo.lock is out of step with Cargo.toml',
    hint: 'run "cargo check", commit Cargo.lock and push again',
  },
  {
    name: 'a crate that does not exist is named',
    files: {
      'Cargo.toml': manifest('\n[dependencies]\nberth-has-no-such-crate = "1"\n'),
      'src/main.rs': main,
    },
    error: 'the crate "berth-has-no-such-crate" does not exist in the registry',
  },
  {
    name: 'a version of a crate that does not exist is named',
    files: { 'Cargo.toml': manifest('\n[dependencies]\nascii = "99"\n'), 'src/main.rs': main },
    error: 'the registry has no version for "ascii ^99"',
  },
  {
    name: 'a build script that fails is named',
    files: { 'Cargo.toml': manifest(), 'src/main.rs': main, 'build.rs': 'fn main() { panic!("no") }\n' },
    error: 'the build script of the crate "broken" failed',
  },
  {
    name: 'a library that the linker does not find is named',
    files: {
      'Cargo.toml': manifest(),
      'src/main.rs':
        '#[link(name = "nowhere")]\nextern "C" { fn nothing(); }\nfn main() { unsafe { nothing() } }\n',
    },
    error: 'the linker does not find the library "nowhere", which the stack does not have',
  },
  {
    name: 'a package without a binary is refused',
    files: { 'Cargo.toml': manifest(), 'src/lib.rs': '' },
    error: 'the app has no binary',
  },
  {
    name: 'a Cargo.toml that does not parse is told by line',
    files: { 'Cargo.toml': '[package]\nname "broken"\n', 'src/main.rs': main },
    error: 'Cargo.toml line 2: expected "=", found ""broken""',
  },
  {
    name: 'a Rust that does not exist is refused with the nearest ones',
    files: {
      'Cargo.toml': manifest(),
      'src/main.rs': main,
      'rust-toolchain.toml': '[toolchain]\nchannel = "1.84.9"\n',
    },
    error: 'there is no Rust "1.84.9" (rust-toolchain.toml)',
    hint: /^nearest: 1\.84\.1, 1\.\d+\.\d+$/,
  },
];
for (const { name, files, error, hint } of failures)
  test(name, async () => {
    const told = await failure(files, { app: 'broken' });
    assert.equal(told.error, error);
    if (hint instanceof RegExp) assert.match(told.hint ?? '', hint);
    else if (hint !== undefined) assert.equal(told.hint, hint);
  });
