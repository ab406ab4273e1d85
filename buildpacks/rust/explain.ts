// Turns the output of cargo and rustc into one clear line for the pusher. Called only when a build has failed.
import { firstExplanation, type Rule, rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';

const checkCargoToml = 'check its name and version in Cargo.toml';
const opensslHint = 'use the crate\'s "rustls" feature, or "vendored" of the crate "openssl"';

/** The first that knows the output wins. */
const rules: Rule[] = [
  rule(
    /lock file \S+ (?:needs to be updated but --locked was passed)|cannot (?:update|create) the lock file \S+ because --locked/,
    () => ({
      message: 'Cargo.lock is out of step with Cargo.toml',
      hint: 'run "cargo check", commit Cargo.lock and push again',
    }),
  ),
  rule(/no matching package named `([^`]+)` found/, ([name]) => ({
    message: `the crate "${name}" does not exist in the registry`,
    hint: checkCargoToml,
  })),
  rule(/failed to select a version for the requirement `([^`]+)`/, ([wanted]) => ({
    message: `the registry has no version for "${wanted?.replace(/ = "(.*)"$/, ' $1')}"`,
    hint: checkCargoToml,
  })),
  rule(/failed to select a version for `([^`]+)`/, ([name]) => ({
    message: `the crates do not agree on a version of "${name}"`,
    hint: 'make "cargo check" work on your machine, commit Cargo.lock and push again',
  })),
  rule(
    /`([^`]+)` .*does not have (?:these|that) features?|does not contain this feature: (\S+)/,
    ([one, other]) => ({
      message: `there is no such feature as cargo is asked for (${one || other})`,
      hint: 'check the features in Cargo.toml and the config var CARGO_FEATURES',
    }),
  ),
  rule(
    /failed to (?:parse manifest at|load manifest for workspace member) `(?:\/app\/)?([^`]+)`[\s\S]*?Caused by:\n\s+(.+)/,
    ([file, reason]) => ({
      message: `${file}: ${reason}`,
    }),
  ),
  rule(/package `([^`]+)` cannot be built because it requires rustc (\S+) or newer/, ([name, needed]) =>
    needsRust(name, needed),
  ),
  rule(/is not supported by the following packages?:\s+(\S+) requires rustc (\S+)/, ([name, needed]) =>
    needsRust(name, needed),
  ),
  rule(/feature `(edition\d+)` is required/, ([edition]) => ({
    message: `a package needs the ${edition}, which this Rust does not know`,
    hint: 'ask for a newer Rust in rust-toolchain.toml',
  })),
  rule(/The system library `([^`]+)` required by crate `([^`]+)` was not found/, ([library, crate]) => ({
    message: `the crate "${crate}" needs the system library "${library}", which the stack does not have`,
    hint: 'use its "bundled", "vendored" or "static" feature, if it has one, or build with a Dockerfile',
  })),
  rule(
    /Could not find directory of OpenSSL installation|failed to run custom build command for `openssl-sys/,
    () => ({
      message: 'the crate "openssl-sys" did not find OpenSSL',
      hint: opensslHint,
    }),
  ),
  rule(/failed to run custom build command for `([^` ]+)/, ([crate]) => ({
    message: `the build script of the crate "${crate}" failed`,
    hint: 'its own message is above',
  })),
  rule(/(?:cannot find|unable to find library) -l:?(?:lib)?(\S+?)(?:\.so\S*|\.a)?(?::|\s)/, ([library]) => ({
    message: `the linker does not find the library "${library}", which the stack does not have`,
    hint: 'use a crate in plain Rust or one that brings the library along, or build with a Dockerfile',
  })),
  rule(
    /(Could not resolve host|Couldn't connect to server|Connection refused|Timeout was reached|Operation timed out)/i,
    ([reason]) => ({
      message: `the crate registry cannot be reached (${reason?.toLowerCase()})`,
      hint: 'check the network of the host and push again; CARGO_CRATES_IO_MIRROR names a mirror',
    }),
  ),
  rule(/SSL (?:certificate problem: )?(.*self[- ]signed.*|.*unable to get local issuer.*)/i, ([reason]) => ({
    message: `the crate registry's certificate is not trusted (${reason})`,
    hint: 'give the platform the CA bundle: set SSL_CERT_FILE and start it again',
  })),
  rule(/signal: 9, SIGKILL/, () => ({
    message: 'the compiler was killed, most likely for want of memory',
    hint: "compile less at once, or ask the platform's operator for a larger BERTH_BUILD_MEMORY_MB",
  })),
  rule(/^error(?:\[E\d+\])?: (.+)\n(?: *\|?.*\n){0,3}? *--> (\S+:\d+:\d+)/m, ([what, where]) => ({
    message: `${where}: ${what}`,
    hint: "the compiler's own messages are above",
  })),
  rule(/^error: (.+)$/m, ([what]) => ({ message: `cargo: ${what}` })),
];

function needsRust(name: string | undefined, needed: string | undefined): Explanation {
  return {
    message: `"${name}" needs Rust ${needed}`,
    hint: `ask for "${needed}" or "stable" in rust-toolchain.toml`,
  };
}

export function explainCargo({
  hasOpenssl,
}: {
  hasOpenssl: boolean;
}): (output: string) => Explanation | undefined {
  return (output) => {
    const explanation = firstExplanation(rules, output);
    const isLinking = hasOpenssl && /-lssl|-lcrypto|"(ssl|crypto)"/.test(explanation?.message ?? '');
    return explanation && isLinking ? { ...explanation, hint: opensslHint } : explanation;
  };
}

export function explainToolchain(version: string): (output: string) => Explanation {
  return (output) =>
    /FAILED|did NOT match|no properly formatted/.test(output)
      ? {
          message: `an archive of Rust ${version} is not the one its manifest names`,
          hint: 'ask the operator of the mirror (RUSTUP_DIST_SERVER)',
        }
      : {
          message: `Rust ${version} cannot be had from the distribution server`,
          hint: 'check the network of the host and push again; RUSTUP_DIST_SERVER names a mirror',
        };
}
