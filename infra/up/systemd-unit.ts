// The systemd unit as text, from its template. Pure; called by install.ts.

export interface UnitFacts {
  node: string;
  repository: string;
  environment: Record<string, string>;
}

/** Fills in the template; every value is quoted the way systemd reads it. */
export function renderUnit(template: string, facts: UnitFacts): string {
  // npm has settings with a host in their name, which systemd takes for no variable.
  const lines = Object.entries(facts.environment)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !value.includes('\n'))
    .map(([name, value]) => `Environment=${quote(`${name}=${value}`)}`);
  return template
    .replaceAll(/^#.*@.*\n/gm, '')
    .replace('@NODE@', () => quoteArgument(facts.node))
    .replace('@REPOSITORY@/infra/up/main.ts', () => quoteArgument(`${facts.repository}/infra/up/main.ts`))
    .replace('@ENVIRONMENT@', () => lines.join('\n'));
}

/** Double quotes, with backslash, quote and systemd's own % escaped. */
function quote(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/** A command line has variables too; Environment= takes a $ as it is. */
function quoteArgument(text: string): string {
  return quote(text).replaceAll('$', '$$$$');
}
