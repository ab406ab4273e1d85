// Turns the output of bundler and rake into one clear line for the pusher. Called only when an install or assets:precompile has failed.
import { firstExplanation, type Rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';

/** Does a compiler, or git, help? */
export function needsCompilers(output: string): boolean {
  return /Failed to build gem native extension|You need to install git to be able to use gems from git/.test(
    output,
  );
}

export function explainInstall(output: string): Explanation | undefined {
  return firstExplanation(rules, output);
}

const rules: readonly Rule[] = [
  outOfStep,
  wrongPlatform,
  wrongRuby,
  gemfileError,
  notVendored,
  missing,
  gitSource,
  unreachable,
  noCompile,
];

function outOfStep(output: string): Explanation | undefined {
  return /frozen mode|The gemspecs? for .* changed|lockfile can't be updated|The list of sources changed|have added to the Gemfile|You have deleted from the Gemfile|You have changed in the Gemfile/.test(
    output,
  ) && !/only supports platforms/.test(output)
    ? {
        message: 'Gemfile.lock is out of step with the Gemfile',
        hint: 'run "bundle install", commit Gemfile.lock and push again',
      }
    : undefined;
}

function wrongPlatform(output: string): Explanation | undefined {
  const platforms =
    /bundle only supports platforms (\[[^\]]+\])\s+but\s+your\s+local\s+platform\s+is\s+([\w-]+)/.exec(
      output,
    );
  const wanted = platforms?.[2]?.replace(/-gnu$/, '');
  return platforms
    ? {
        message: `Gemfile.lock is resolved for ${platforms[1]?.replaceAll(/["[\]]/g, '')}, not for ${wanted}`,
        hint: `run "bundle lock --add-platform ${wanted}", commit Gemfile.lock and push again`,
      }
    : undefined;
}

function wrongRuby(output: string): Explanation | undefined {
  const own = /Your Ruby version is ([\d.]+), but your Gemfile specified (.+)/.exec(output);
  if (own)
    return {
      message: `the Gemfile wants Ruby ${own[2]?.trim()}, this is ${own[1]}`,
      hint: 'change the line "ruby" of the Gemfile',
    };
  const gem = /^(\S+) requires (?:ruby|Ruby) version ([^,\n]+)/m.exec(output);
  return gem
    ? {
        message: `the gem "${gem[1]}" needs Ruby ${gem[2]?.trim()}`,
        hint: 'ask for that Ruby in the Gemfile, or for another version of the gem',
      }
    : undefined;
}

function gemfileError(output: string): Explanation | undefined {
  const found = /There was an error (?:parsing|while loading) `([^`']+)[`']: (.+)/.exec(output);
  return found
    ? {
        message: `${found[1]} cannot be read: ${found[2]?.trim().slice(0, 160)}`,
        hint: 'run "bundle install" where you work; it says the same',
      }
    : undefined;
}

function notVendored(output: string): Explanation | undefined {
  const name =
    /Could not find (?:gem )?'?([\w.-]+)'?[^\n]* in (?:cached gems|locally installed gems|any of the sources)/.exec(
      output,
    )?.[1];
  return name
    ? {
        message: `the gem "${name}" cannot be found`,
        hint: 'check its name and version in the Gemfile; with vendor/cache run "bundle cache" again',
      }
    : undefined;
}

function missing(output: string): Explanation | undefined {
  const name =
    /Could not find (?:gem )?'?([\w.-]+)[^\n]* in rubygems repository/.exec(output)?.[1] ??
    /Your bundle is locked to (\S+) (?:\([^)]*\))?[^\n]* but that version (?:could|can) (?:no longer )?/.exec(
      output,
    )?.[1];
  return name
    ? {
        message: `the registry has no gem "${name}" in that version`,
        hint: 'check the Gemfile, and run "bundle install" anew',
      }
    : undefined;
}

function gitSource(output: string): Explanation | undefined {
  const found = /fatal: (?:unable to access|repository|Could not read from) ?'?([^\s']*)/.exec(output);
  return found
    ? {
        message: `the git source "${found[1]?.replace(/\/\/[^/@]*@/, '//')}" of a gem cannot be fetched`,
        hint: 'check its address, and that the platform may read it',
      }
    : undefined;
}

function unreachable(output: string): Explanation | undefined {
  if (/certificate verify failed|SSL_connect/.test(output))
    return {
      message: "the gem registry's certificate is not trusted",
      hint: 'give the platform the CA bundle: set SSL_CERT_FILE and start it again',
    };
  return /Could not reach host|Could not fetch specs|Network error|Failed to open TCP|Gem::RemoteFetcher|HTTPError|Bundler::Fetcher/.test(
    output,
  )
    ? {
        message: 'the gem registry cannot be reached',
        hint: 'check the network of the host, set a mirror (BUNDLE_MIRROR__ALL), or commit the gems with "bundle cache"',
      }
    : undefined;
}

function noCompile(output: string): Explanation | undefined {
  const name =
    /An error occurred while installing (\S+) \(/.exec(output)?.[1] ??
    /Gem files will remain installed in \S+\/gems\/(\S+) for inspection/.exec(output)?.[1];
  if (name === undefined) return undefined;
  const header =
    /fatal error: (\S+): No such file or directory/.exec(output)?.[1] ??
    /checking for (\S+\.h)\.\.\. no/.exec(output)?.[1];
  return {
    message: `the gem "${name}" did not build${header ? ` (no "${header}")` : ''}`,
    hint: 'its own message is above; a version that comes compiled for x86_64-linux needs no headers',
  };
}

export function explainAssets(output: string): Explanation {
  const lines = output.trimEnd().split('\n');
  const last = lines.find((line) => /^(?:rake|bin\/rails) aborted!/.test(line));
  const reason = last === undefined ? undefined : lines[lines.indexOf(last) + 1];
  const setting = /KeyError: key not found: "([A-Z][A-Z0-9_]*)"/.exec(output)?.[1];
  return {
    message: `assets:precompile failed${reason ? `: ${reason.trim().slice(0, 200)}` : ''}`,
    hint: setting
      ? `set the config var ${setting}`
      : 'make "RAILS_ENV=production bundle exec rake assets:precompile" work; it has the config vars, but no database',
  };
}
