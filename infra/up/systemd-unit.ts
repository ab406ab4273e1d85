// The systemd unit as text, from its template. Pure; called by install.ts.

export interface UnitFacts {
  node: string;
  repository: string;
  environment: Record<string, string>;
}

/** Fills in the template; every value is quoted the way systemd reads it. */
export function renderUnit(template: string, facts: UnitFacts): string {
  const lines = Object.entries(facts.environment).map(
    ([name, value]) => `Environment=${quote(`${name}=${value}`)}`,
  );
  return template
    .replaceAll(/^#.*@.*\n/gm, '')
    .replace('@NODE@', () => quote(facts.node))
    .replace('@REPOSITORY@/infra/up/main.ts', () => quote(`${facts.repository}/infra/up/main.ts`))
    .replace('@ENVIRONMENT@', () => lines.join('\n'));
}

/** Double quotes, with backslash, quote and systemd's own % and $ escaped. */
function quote(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
}
