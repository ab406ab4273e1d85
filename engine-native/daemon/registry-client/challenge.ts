// The WWW-Authenticate header of a registry (RFC 9110 §11.6.1, the Docker token spec). Pure; whatever a registry sends is only data.

export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  scheme: string;
  parameters: Record<string, string>;
}

const maxHeader = 8192; // a registry that sends more wants our time, not our token

export function parseChallenges(header: string | undefined): Challenge[] {
  if (header === undefined || header.length > maxHeader) return [];
  const challenges: Challenge[] = [];
  const token = /\s*,?\s*([\w!#$%&'*+.^`|~-]+)\s*(=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;
  for (;;) {
    const match = token.exec(header);
    if (!match || match[0] === '') return challenges;
    const [, word = '', assignment, quoted, plain] = match;
    if (assignment === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: {} });
    else {
      const parameters = challenges.at(-1)?.parameters;
      if (parameters) parameters[word.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
    }
  }
}
