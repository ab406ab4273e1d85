// Turns the output of uv, Poetry, Pipenv and Django into one clear line for the pusher. Called only when an install or collectstatic has failed.
import { firstExplanation, type Rule } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';
import type { Installer } from './installer.ts';

/** uv wraps nothing when it writes to a pipe; Poetry does not either. The first rule that knows the output wins. */
export function explainInstall(installer: Installer, pythonVersion: string): Rule {
  const file = installer.kind === 'project' || installer.kind === 'uv' ? 'pyproject.toml' : installer.shown;
  const rules: Rule[] = [
    lockOutOfStep,
    badProject,
    (output) => badLine(output, installer.texts),
    (output) => missingPackage(output, file),
    (output) => wrongPython(output, pythonVersion),
    (output) => missingVersion(output, file),
    conflict,
    badHash,
    noWheel,
    unreachableGit,
    unreachable,
    noCompile,
  ];
  return (output) => firstExplanation(rules, output);
}

/** Does a compiler, or git, help? */
export function needsCompilers(output: string): boolean {
  return /^\s*(?:error: |cause: )?(?:[×├╰─▶ ]*)?Failed to build|Git executable not found|marked as `--no-build`|\bno usable wheels\b|building from source is disabled/m.test(
    output,
  );
}

function lockOutOfStep(output: string): Explanation | undefined {
  const outOfStep = (file: string, manifest: string, command: string): Explanation => ({
    message: `${file} is out of step with ${manifest}`,
    hint: `run "${command}", commit ${file} and push again`,
  });
  if (/The lockfile at `?uv\.lock`? needs to be updated/.test(output))
    return outOfStep('uv.lock', 'pyproject.toml', 'uv lock');
  if (/pyproject\.toml changed significantly since poetry\.lock/.test(output))
    return outOfStep('poetry.lock', 'pyproject.toml', 'poetry lock');
  if (/Pipfile\.lock is out-of-date/.test(output)) return outOfStep('Pipfile.lock', 'Pipfile', 'pipenv lock');
  const damaged = /Failed to parse `?(uv\.lock|pyproject\.toml)`?/.exec(output)?.[1];
  return damaged ? { message: `${damaged} cannot be read`, hint: "uv's own message is above" } : undefined;
}

/** uv shows the place in a frame; the sentence is its last line. */
function badProject(output: string): Explanation | undefined {
  const found =
    /Failed to parse: \S*?(?<file>[\w.-]+\.(?:toml|lock))`?\n[\s\S]*?TOML parse error at line (?<line>\d+)[^\n]*\n(?:[ \t]*\d*[ \t]*\|[^\n]*\n)*[ \t]*(?<why>[^\n]+)/.exec(
      output,
    )?.groups;
  if (!found) return undefined;
  const message = `${found['file']} line ${found['line']}: ${(found['why'] ?? '').replaceAll('`', '"')}`;
  return { message, hint: `correct ${found['file']} and push again` };
}

function badLine(output: string, texts: ReadonlyMap<string, string>): Explanation | undefined {
  const byPosition =
    /(?:parse requirement|Error parsing included file|parsing) in `([^`]+)` at position (\d+)/.exec(output);
  const byLine = /: (?:`)?([^\s`]+\.txt)(?:`)?:(\d+):\d+$/m.exec(output);
  const file = byPosition?.[1] ?? byLine?.[1];
  if (file === undefined) return undefined;
  const text = texts.get(file) ?? '';
  const position = Number(byPosition?.[2] ?? 0);
  const line = byPosition ? text.slice(0, position).split('\n').length : Number(byLine?.[2] ?? 1);
  const content = text.split('\n')[line - 1]?.trim() ?? '';
  const reason = byPosition ? /^ *cause: (.+)$/m.exec(output)?.[1] : undefined;
  return {
    message: `line ${line} of ${file} is no requirement${content === '' ? '' : `: "${content.slice(0, 120)}"`}`,
    hint: reason ?? 'write name==version, one on a line',
  };
}

function missingPackage(output: string, file: string): Explanation | undefined {
  const name =
    /Because (\S+) was not found in the package registry/.exec(output)?.[1] ??
    /\b(?:and|because) (\S+) was not found in the package registry/.exec(output)?.[1];
  return name
    ? { message: `the package "${name}" does not exist on PyPI`, hint: `check its name in ${file}` }
    : undefined;
}

/** "Because the current Python version (3.13.5) does not satisfy Python>=3.14 and x==2 depends on Python>=3.14, …" */
function wrongPython(output: string, version: string): Explanation | undefined {
  const needed =
    /does not satisfy Python(\S+) and (\S+) depends on/.exec(output) ??
    /(?:The requested|current) Python version \(\S+\) does not satisfy Python(\S+)(?: and (\S+))?/.exec(
      output,
    );
  if (needed)
    return {
      message: `${needed[2] ? `"${needed[2]}"` : 'a package'} needs Python ${needed[1]?.replace(/,$/, '')}, this is ${version}`,
      hint: 'ask for that Python in .python-version, or for another version of the package',
    };
  return undefined;
}

function missingVersion(output: string, file: string): Explanation | undefined {
  const wanted =
    /Because only \S+ (?:is|are) available and you require ([^\s,]+)/.exec(output)?.[1]?.replace(/,$/, '') ??
    /Because there (?:is|are) no versions? of ([^\s,]+)(?: and|,| |$)/.exec(output)?.[1] ??
    /Because only (?:the following versions of )?(\S+?)(?:==\S+)? (?:is|are) available/.exec(output)?.[1];
  return wanted && !/depends on/.test(output.slice(0, output.indexOf(wanted)))
    ? { message: `PyPI has no version for "${wanted}"`, hint: `check the version in ${file}` }
    : undefined;
}

function conflict(output: string): Explanation | undefined {
  if (!/No solution found when resolving/.test(output)) return undefined;
  const reason = /Because ([\s\S]*?), we can conclude/.exec(output)?.[1]?.replaceAll(/\s+/g, ' ');
  return {
    message: `the requirements contradict each other${reason ? `: ${reason.slice(0, 200)}` : ''}`,
    hint: 'make the install work on your machine and push again',
  };
}

function badHash(output: string): Explanation | undefined {
  const name = /Hash mismatch for `([^`]+)`/.exec(output)?.[1];
  return name
    ? {
        message: `"${name}" is not the file whose hash is written down (hash mismatch)`,
        hint: 'write the hashes anew, commit them and push again',
      }
    : undefined;
}

function noWheel(output: string): Explanation | undefined {
  const name =
    /distribution `([^`]+)`.* can't be installed because it doesn't have a source distribution or wheel/.exec(
      output,
    )?.[1];
  return name
    ? {
        message: `"${name}" has no build for this Python and this machine`,
        hint: 'ask for another version of the package, or for another Python in .python-version',
      }
    : undefined;
}

function unreachable(output: string): Explanation | undefined {
  if (/invalid peer certificate|UnknownIssuer|CERTIFICATE_VERIFY_FAILED/.test(output))
    return {
      message: "the package index's certificate is not trusted",
      hint: 'give the platform the CA bundle: set SSL_CERT_FILE and start it again',
    };
  return /error sending request|dns error|Connection refused|tcp connect error|Failed to fetch/i.test(output)
    ? { message: 'the package index cannot be reached', hint: 'check the network of the host and push again' }
    : undefined;
}

function unreachableGit(output: string): Explanation | undefined {
  const found =
    /fatal: unable to access '([^']+)': (.+)/.exec(output) ??
    /fatal: (?:repository|remote error:?) '?([^\s']+)'? ?(.*)/.exec(output);
  if (!/Git operation failed/.test(output) || !found) return undefined;
  return {
    message: `the git repository "${found[1]?.replace(/\/\/[^/@]*@/, '//')}" cannot be fetched: ${found[2]?.slice(0, 120)}`,
    hint: 'check its address, or publish the package where the platform can reach it',
  };
}

/** Native packages whose wheels have another name, or whose headers the build stack does not carry. */
const instead: Record<string, string> = {
  psycopg2: 'use psycopg2-binary, which brings its own library',
  mysqlclient: 'use PyMySQL, which needs no compiler',
  pyodbc: 'a newer version may have a wheel for this Python',
};

function noCompile(output: string): Explanation | undefined {
  const name = /Failed to build `([^`=@ ]+)[^`]*`/.exec(output)?.[1];
  if (name === undefined) return undefined;
  const header = /fatal error: (\S+): No such file or directory/.exec(output)?.[1];
  const module = /ModuleNotFoundError: No module named '([\w.]+)'/.exec(output)?.[1];
  const why = header ? ` (no "${header}")` : module ? ` (no module "${module}")` : '';
  return {
    message: `the package "${name}" has no wheel for this Python and did not build${why}`,
    hint: instead[name.toLowerCase()] ?? 'ask for a version with a wheel; its own message is above',
  };
}

export function explainCollectStatic(output: string): Explanation {
  const lines = output.trimEnd().split('\n');
  const last = lines.findLast((line) =>
    /^[\w.]+(?:Error|Exception|Configured|NotFound)\b.*|^\w+Error: /.test(line.trim()),
  );
  const setting = /KeyError: '([A-Z][A-Z0-9_]+)'/.exec(last ?? '')?.[1];
  return {
    message: `collectstatic failed${last ? `: ${last.trim().slice(0, 200)}` : ''}`,
    hint: setting
      ? `set the config var ${setting}, or DISABLE_COLLECTSTATIC=1 to go without`
      : 'make "python manage.py collectstatic --noinput" work, or set DISABLE_COLLECTSTATIC=1 to go without',
  };
}

export function explainStandalone(version: string): Rule {
  const ask = 'ask for another version, or the operator to look after the mirror (UV_PYTHON_INSTALL_MIRROR)';
  return (output) => {
    if (/Checksum mismatch|Computed:/i.test(output))
      return {
        message: `the mirror's Python ${version} is not the build whose checksum is known`,
        hint: ask,
      };
    const isMissing = /\(404 |No download found|No such file/i.test(output);
    return {
      message: `Python ${version} ${isMissing ? 'is not in' : 'cannot be had from'} the mirror of standalone builds`,
      hint: ask,
    };
  };
}
