// Turns the output of the go command into one clear line for the pusher. Called only when a download or a build has failed.
import { firstExplanation, type Rule, rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';

const tidy = 'run "go mod tidy", commit go.mod and go.sum and push again';

/** The first that knows the output wins. */
const rules: Rule[] = [
  rule(/missing go\.sum entry for (?:module providing package|go\.mod file)?\s*(\S+?)[\s;:(]/, ([name]) => ({
    message: `go.sum has no entry for "${name}"`,
    hint: tidy,
  })),
  rule(/verifying (?:module: )?(\S+?):? checksum mismatch/, ([name]) => ({
    message: `the module "${name?.replace(/:$/, '')}" is not the one that go.sum names (checksum mismatch)`,
    hint: 'find out who changed the module; if it was moved on purpose, write go.sum anew',
  })),
  rule(/no required module provides package (\S+?)[;:\s]/, ([name]) => ({
    message: `go.mod has no module for the package "${name}"`,
    hint: tidy,
  })),
  rule(/(?:updates to go\.mod needed|updating go\.mod: existing contents have changed)/, () => ({
    message: 'go.mod is out of step with its modules',
    hint: tidy,
  })),
  rule(
    /inconsistent vendoring in|is explicitly required in go\.mod, but not marked as explicit in vendor/,
    () => ({
      message: 'vendor/ is out of step with go.mod',
      hint: 'run "go mod vendor", commit vendor/ and push again',
    }),
  ),
  rule(/cannot find module providing package (\S+?): import lookup disabled by -mod=vendor/, ([name]) => ({
    message: `vendor/ does not have the package "${name}"`,
    hint: 'run "go mod vendor", commit vendor/ and push again',
  })),
  rule(/go: (?:module )?(\S+) requires go >= (\S+) \(running go (\S+?)[;)]/, ([name, needed, has]) => ({
    message: `"${name}" needs Go ${needed}, this build has ${has}`,
    hint: `write "go ${needed}" in go.mod`,
  })),
  rule(/(\S+\.go:\d+:\d+): package (\S+) is not in std/, ([where, name]) => ({
    message: `${where}: there is no package "${name}" in the standard library`,
    hint: "check the import; packages of your own begin with the module's path",
  })),
  rule(
    /go: (?:downloading )?(\S+@\S+?): (?:reading \S+: 40[34]|invalid version|unknown revision|reading \S+: 410)/,
    ([name]) => ({
      message: `the module "${name?.replace(/:$/, '')}" does not exist`,
      hint: 'check its name and version in go.mod; for a private module set the config var GOPRIVATE',
    }),
  ),
  rule(/exec: "git": executable file not found/, () => ({
    message: 'a module has to come from a git server',
    hint: 'set the config var GOPRIVATE to the modules that no proxy has',
  })),
  rule(/terminal prompts disabled|could not read Username/, () => ({
    message: "a private module's git server wants a login",
    hint: 'give it one, or commit the module with "go mod vendor"',
  })),
  rule(/x509: (.+)/, ([reason]) => ({
    message: `the module proxy's certificate is not trusted (${reason})`,
    hint: 'give the platform the CA bundle: set SSL_CERT_FILE and start it again',
  })),
  rule(
    /dial tcp.*?: (.*(?:no such host|connection refused|i\/o timeout|network is unreachable))|(TLS handshake timeout)/,
    ([reason, handshake]) => ({
      message: `the module proxy cannot be reached (${lastPart(reason || handshake || '')})`,
      hint: 'check the network of the host and push again; GOPROXY names another proxy',
    }),
  ),
  rule(/fatal error: (\S+\.h): No such file or directory/, ([header]) => ({
    message: `a package in C needs the header "${header}", which the stack does not have`,
    hint: 'use a package in plain Go, or build with a Dockerfile',
  })),
  rule(/(?:build constraints exclude all Go files in|requires cgo to work|undefined: _C)/, () => ({
    message: 'a package needs a C compiler',
    hint: 'set the config var CGO_ENABLED=1 and push again',
  })),
  rule(/^(?:\.\/)?([\w@.~+/-]+\.go:\d+(?::\d+)?): (.+)$/m, ([where, what]) => ({
    message: `${where}: ${what}`,
    hint: "the compiler's own messages are above",
  })),
  rule(/go\.mod:(\d+)(?::\d+)?: (.+)/, ([line, what]) => ({ message: `go.mod line ${line}: ${what}` })),
];

export function explainGo(output: string): Explanation | undefined {
  return firstExplanation(rules, output);
}

export function explainToolchain(version: string): (output: string) => Explanation | undefined {
  return (output) => {
    if (/has the hash|cannot prove|is not signed/.test(output))
      return {
        message: `the archive of Go ${version} is not the one the checksum database names`,
        hint: 'ask the operator of the module proxy (GOPROXY), and remove the archive from the folder of downloads',
      };
    return {
      message: `Go ${version} cannot be had from the module proxy`,
      hint: 'check the network of the host and push again; GOPROXY names another proxy',
    };
  };
}

function lastPart(reason: string): string {
  return reason.split(': ').at(-1) ?? reason;
}
