// Build arguments as berth.toml writes them: a text, or "$NAME" for the config var of that name; "$$" begins a text with a dollar sign. Pure.
// No other config var ever becomes an argument: arguments end up in the image's history.
import { AppError } from '@berth/kit/errors.ts';

export interface BuildArgs {
  values: Record<string, string>;
  /** The config vars among them: part of the image's key. */
  vars: Record<string, string>;
}

export function buildArgs(
  args: Readonly<Record<string, string>>,
  vars: Readonly<Record<string, string>>,
): BuildArgs {
  const result: BuildArgs = { values: {}, vars: {} };
  for (const [name, text] of Object.entries(args)) {
    const from = /^\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))$/.exec(text);
    const variable = from?.[1] ?? from?.[2];
    if (variable === undefined) {
      result.values[name] = text.replace(/^\$\$/, '$');
      continue;
    }
    const value = Object.hasOwn(vars, variable) ? vars[variable] : undefined;
    if (value === undefined)
      throw new AppError(
        'invalid',
        `the config var for the build argument "${name}" is not set: ${variable}`,
        {
          hint: `berth config:set ${variable}=…`,
        },
      );
    result.values[name] = value;
    result.vars[variable] = value;
  }
  return result;
}
