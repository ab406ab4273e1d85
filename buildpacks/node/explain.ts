// Turns the output of npm, yarn, pnpm and Bun into one clear line for the pusher. Called only when an install or a build script has failed.
import { firstExplanation, type Rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';
import { outOfStep } from './lockfile.ts';
import type { PackageManager } from './package-manager.ts';

/** The first rule that knows the output wins. */
export function explainInstall(manager: PackageManager): (output: string) => Explanation | undefined {
  const lockfile = manager.lockfile ?? 'the lockfile';
  const rules: Rule[] = [
    (output) => lockOutOfStep(output, lockfile),
    missingToken,
    missingPackage,
    missingVersion,
    conflictingPeers,
    unreachableRegistry,
    badIntegrity,
    noCompiler,
    wrongEngine,
  ];
  return (output) => firstExplanation(rules, output);
}

/** For the app's own build script: what it says itself is better than what we could, but for a host that cannot be had from here. */
export function explainBuild(script: string | undefined): (output: string) => Explanation {
  const message = script === undefined ? 'the build failed' : `the "${script}" script failed`;
  return (output) => {
    const host = /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)/.exec(output)?.[1];
    return host === undefined
      ? { message, hint: 'its own message is above' }
      : {
          message: `${message}: "${host}" cannot be reached from here`,
          hint: 'its own message is above; commit what it fetches, or ask the operator for a way to that host',
        };
  };
}

/** For the steps that fetch npm, yarn, pnpm or Bun. */
export function explainManager(label: string): (output: string) => Explanation | undefined {
  const hint = 'write a version that is there, or none: then the platform chooses';
  return (output) => {
    if (/MANAGER_HASH does not match/.test(output))
      return {
        message: `${label} from the registry is not the one that "packageManager" in package.json names (its hash differs)`,
        hint: `run "corepack use ${label}@latest", commit package.json and push again`,
      };
    if (/ETARGET|notarget|E404/.test(output))
      return { message: `the registry does not have this version of ${label}`, hint };
    return unreachableRegistry(output);
  };
}

function lockOutOfStep(output: string, lockfile: string): Explanation | undefined {
  const isNpm = /can only install packages when your package\.json and .* are in sync/.test(output);
  const isYarn = /Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`/.test(output);
  const isBerry = /YN0028/.test(output);
  const isPnpm = /ERR_PNPM_OUTDATED_LOCKFILE/.test(output);
  const isBun = /lockfile had changes, but lockfile is frozen/.test(output);
  if (!isNpm && !isYarn && !isBerry && !isPnpm && !isBun) return undefined;
  const missing = /Missing: (\S+) from lock file/.exec(output)?.[1];
  const invalid = /Invalid: lock file's (\S+) does not satisfy (\S+)/.exec(output);
  const what = missing
    ? `"${missing.replace(/@$/, '')}" is missing`
    : invalid
      ? `it has "${invalid[1]}", package.json wants "${invalid[2]}"`
      : 'it has other dependencies';
  const { message, hint } = outOfStep(lockfile, what);
  return { message, ...(hint === undefined ? {} : { hint }) };
}

/** .npmrc and .yarnrc.yml name config vars that the app does not have, or the registry does not take what they hold. */
function missingToken(output: string): Explanation | undefined {
  const name =
    /Failed to replace env in config: \$\{(\w+)\}/.exec(output)?.[1] ??
    /Environment variable not found \((\w+)\)/.exec(output)?.[1];
  const refused = /\b(E401|E403|ERR_PNPM_FETCH_40[13]|YN0041|401 Unauthorized|403 Forbidden)\b/.test(output);
  // npm goes on without the token; then only the registry's refusal makes it the reason.
  const stopped = /npm (?:error|ERR!) .*Failed to replace env/.test(output);
  if (name && (refused || stopped || !/\bnpm (error|ERR!)/.test(output) || /E404/.test(output)))
    return {
      message: `the registry settings name \${${name}}, which is not among the app's config vars`,
      hint: `set it with "berth config:set ${name}=…" and push again`,
    };
  return refused
    ? {
        message: 'the package registry refuses the login',
        hint: 'check the token that .npmrc or .yarnrc.yml takes from the config vars',
      }
    : undefined;
}

function missingPackage(output: string): Explanation | undefined {
  const npm =
    /404\s+(?:The requested resource )?'([^']+)' (?:could not be found|is not in this registry)/.exec(
      output,
    )?.[1];
  const yarn = /Couldn't find package "([^"]+)"/.exec(output)?.[1];
  const pnpm = /ERR_PNPM_FETCH_404.*?(?:GET \S+\/)?([@\w./-]+): Not Found/.exec(output)?.[1];
  const bun = /error: GET \S+\/([^/\s]+(?:%2f[^/\s]+)?) - 404/i.exec(output)?.[1]?.replace(/%2f/i, '/');
  const name = npm ?? yarn ?? pnpm ?? bun;
  return name
    ? {
        message: `the package "${name}" does not exist in the registry`,
        hint: 'check its name in package.json',
      }
    : undefined;
}

function missingVersion(output: string): Explanation | undefined {
  const npm = /No matching version found for (\S+?)\.?\s/.exec(output)?.[1];
  const yarn = /Couldn't find any versions for "([^"]+)"/.exec(output)?.[1];
  const bun = /No version matching "([^"]+)" found for specifier "([^"]+)"/.exec(output);
  const name = npm ?? yarn ?? (bun ? `${bun[2]}@${bun[1]}` : undefined);
  return name
    ? { message: `the registry has no version for "${name}"`, hint: 'check the version in package.json' }
    : undefined;
}

function conflictingPeers(output: string): Explanation | undefined {
  if (!/\bERESOLVE\b/.test(output)) return undefined;
  const found = /Could not resolve dependency:\s*(?:npm (?:error|ERR!) )?peer (\S+) from (\S+)/.exec(output);
  const what = found ? `: "${found[2]}" wants "${found[1]}"` : '';
  return {
    message: `the dependencies contradict each other${what}`,
    hint: 'make "npm install" work on your machine, commit the lockfile and push again',
  };
}

function unreachableRegistry(output: string): Explanation | undefined {
  const code =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ERR_SOCKET_TIMEOUT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)\b/.exec(
      output,
    )?.[1];
  if (!code) return undefined;
  return /CERT/.test(code)
    ? {
        message: `the package registry's certificate is not trusted (${code})`,
        hint: 'give the platform the CA bundle: set NODE_EXTRA_CA_CERTS and start it again',
      }
    : {
        message: `the package registry cannot be reached (${code})`,
        hint: 'check the network of the host and push again',
      };
}

function badIntegrity(output: string): Explanation | undefined {
  return /\bEINTEGRITY\b|integrity check failed|ERR_PNPM_TARBALL_INTEGRITY/i.test(output)
    ? {
        message: 'a downloaded package is not the one the lockfile names (integrity check failed)',
        hint: 'write the lockfile anew, commit it and push again',
      }
    : undefined;
}

function noCompiler(output: string): Explanation | undefined {
  return /gyp ERR! build error|gyp ERR! configure error|node-gyp.*failed/i.test(output)
    ? { message: 'a native package did not compile', hint: "the compiler's own message is above" }
    : undefined;
}

function wrongEngine(output: string): Explanation | undefined {
  const found = /The engine "node" is incompatible with this module\. Expected version "([^"]+)"/.exec(
    output,
  )?.[1];
  return found
    ? {
        message: `a dependency needs Node "${found}"`,
        hint: 'name that version in "engines.node" of package.json',
      }
    : undefined;
}
