import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainCargo } from './explain.ts';

const explain = explainCargo({ hasOpenssl: true });

test('each known failure becomes one line', () => {
  const cases: [string, string][] = [
    [
      'error[E0425]: cannot find value `x` in this scope\n --> src/main.rs:4:5\n  |\n',
      'src/main.rs:4:5: cannot find value `x` in this scope',
    ],
    [
      'error: the lock file /app/Cargo.lock needs to be updated but --locked was passed to prevent this',
      'Cargo.lock is out of step with Cargo.toml',
    ],
    [
      'error: no matching package named `nope` found\nlocation searched: crates.io index',
      'the crate "nope" does not exist in the registry',
    ],
    [
      'error: failed to select a version for the requirement `ascii = "^99"`\ncandidate versions found which didn\'t match: 1.1.0',
      'the registry has no version for "ascii ^99"',
    ],
    [
      'error: failed to run custom build command for `openssl-sys v0.9.99`\n',
      'the crate "openssl-sys" did not find OpenSSL',
    ],
    [
      'error: failed to run custom build command for `gtk-sys v0.18.0`\n  The system library `gtk+-3.0` required by crate `gtk-sys` was not found.',
      'the crate "gtk-sys" needs the system library "gtk+-3.0", which the stack does not have',
    ],
    [
      'error: failed to run custom build command for `ring v0.17.0`\n',
      'the build script of the crate "ring" failed',
    ],
    [
      'error: linking with `cc` failed: exit status: 1\n  = note: /usr/bin/ld: cannot find -lodbc: No such file or directory\n',
      'the linker does not find the library "odbc", which the stack does not have',
    ],
    [
      'error: rustc 1.84.0 is not supported by the following packages:\n  time@0.3.47 requires rustc 1.88.0\n',
      '"time@0.3.47" needs Rust 1.88.0',
    ],
    [
      "warning: spurious network error (3 tries remaining): [7] Couldn't connect to server",
      "the crate registry cannot be reached (couldn't connect to server)",
    ],
    [
      "error: could not compile `a`\n\nCaused by:\n  process didn't exit successfully (signal: 9, SIGKILL: kill)",
      'the compiler was killed, most likely for want of memory',
    ],
  ];
  for (const [output, message] of cases) assert.equal(explain(output)?.message, message);
  assert.equal(explain('something else'), undefined);
});
