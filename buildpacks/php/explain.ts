// Turns Composer's output into one clear line for the pusher. Called only when an install or a script has failed.
import { firstExplanation, type Rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';

export function explainComposer(output: string): Explanation | undefined {
  return firstExplanation(rules, output);
}

const rules: readonly Rule[] = [outOfStep, platform, missing, unreachable, script, schema];

function outOfStep(output: string): Explanation | undefined {
  return /lock file (?:is not up to date|does not contain a compatible set)|Required package "[^"]+" is not present in the lock file/.test(
    output,
  ) && !/requires (?:php|ext-)/.test(output)
    ? {
        message: 'composer.lock is out of step with composer.json',
        hint: 'run "composer update", commit composer.lock and push again',
      }
    : undefined;
}

function platform(output: string): Explanation | undefined {
  const [, name, , needed, range] =
    /- (?:Root composer\.json|(\S+\/\S+))( \S+)? requires (php|ext-\w+) ([^\n]*?)(?: ->|\n| but)/.exec(
      output,
    ) ?? [];
  if (needed === undefined) return undefined;
  const who = name === undefined ? 'the app' : `the package "${name}"`;
  return needed === 'php'
    ? {
        message: `${who} needs PHP ${range}`,
        hint: 'update the package, so that it runs on the PHP that is there',
      }
    : {
        message: `${who} needs the extension "${needed.slice(4)}"`,
        hint: `add "${needed}": "*" to "require" in composer.json`,
      };
}

function missing(output: string): Explanation | undefined {
  const name =
    /Could not find (?:a matching version of )?package ([\w./-]+)/.exec(output)?.[1] ??
    /requires ([\w./-]+\/[\w./-]+)[^\n]* it could not be found in any version/.exec(output)?.[1];
  return name
    ? { message: `the package "${name}" does not exist`, hint: 'check its name in composer.json' }
    : undefined;
}

function unreachable(output: string): Explanation | undefined {
  const host =
    /curl error \d+ while downloading https?:\/\/([^/\s]+)/.exec(output)?.[1] ??
    /Could not resolve host: (\S+)/.exec(output)?.[1] ??
    /The "https?:\/\/([^/"]+)[^"]*" file could not be downloaded/.exec(output)?.[1];
  return host
    ? {
        message: `"${host}" cannot be reached for packages`,
        hint: 'check the network of the host, set a mirror (COMPOSER_MIRROR_URL), or commit the packages as path repositories',
      }
    : undefined;
}

function script(output: string): Explanation | undefined {
  const [, command, event, code] =
    /Script (.+) handling the ([\w-]+) event returned with error code (\d+)/.exec(output) ?? [];
  return command
    ? {
        message: `the script "${event}" of composer.json failed: ${command.slice(0, 120)} (exit code ${code})`,
        hint: 'its own message is above',
      }
    : undefined;
}

function schema(output: string): Explanation | undefined {
  const reason = /"\.\/composer\.json" does not match the expected JSON schema:\s*- (.+)/.exec(output)?.[1];
  return reason
    ? { message: `composer.json is not as it should be: ${reason.trim()}`, hint: 'run "composer validate"' }
    : undefined;
}
