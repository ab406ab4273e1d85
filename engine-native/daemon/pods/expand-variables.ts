// `$(NAME)` in commands, arguments and variables, by Kubernetes' rules: `$$` is a dollar, a name that is not known stays as it is written. Pure.

export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\$|\(([A-Za-z_.-][\w.-]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return variables.get(name) ?? whole;
  });
}

/** Each variable may refer to those above it. */
export function expandEnvironment(entries: readonly { name: string; value: string }[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const { name, value } of entries) variables.set(name, expandVariables(value, variables));
  return variables;
}
