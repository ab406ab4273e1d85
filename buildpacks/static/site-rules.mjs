// Reads _headers and _redirects (Netlify's and Cloudflare Pages' files) for settings.mjs. Runs inside the app's container, and in the driver when they
// are in the tree, so that what cannot be honoured is told to the pusher.
// @ts-check

/**
 * @typedef {object} Redirect
 * @property {RegExp} pattern with named groups for placeholders
 * @property {[string, string][]} query parameters that have to be there; a value ":name" is a placeholder
 * @property {string} target
 * @property {number} status 200 serves the target in the path's place
 * @property {boolean} force even when there is a file
 */

/** @typedef {{ pattern: RegExp, headers: Record<string, string> }} HeaderRule */

const statuses = new Set([200, 301, 302, 303, 307, 308, 404]);
/** Files of that kind have some hundred lines; each line is a pattern that every request is held against. */
const maxRules = 5000;

/**
 * `problems` are sentences, one for each line that cannot be honoured; such a line is left out.
 * @param {string} text
 * @returns {{ rules: Redirect[], problems: string[] }}
 */
export function parseRedirects(text) {
  /** @type {Redirect[]} */
  const rules = [];
  /** @type {string[]} */
  const problems = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)#.*$/, '').trim();
    if (line === '') continue;
    const problem = (/** @type {string} */ what) => problems.push(`_redirects line ${index + 1}: ${what}`);
    if (rules.length >= maxRules) {
      problem(`more than ${maxRules} rules`);
      break;
    }
    const words = line.split(/\s+/);
    const from = words[0] ?? '';
    const at = words.findIndex((word, place) => place > 0 && /^(\/|https?:\/\/)/.test(word));
    const target = words[at];
    if (!from.startsWith('/')) problem(`"${cut(from)}" is not a path of this site`);
    else if (target === undefined) problem('it has no target');
    else {
      const [, code = '301', force] = /^(\d+)(!?)$/.exec(words[at + 1] ?? '') ?? [];
      const status = Number(code);
      const conditions = words.slice(/^\d+!?$/.test(words[at + 1] ?? '') ? at + 2 : at + 1);
      if (!statuses.has(status)) problem(`the status ${status} is not one of ${[...statuses].join(', ')}`);
      else if (conditions.length > 0)
        problem(`the condition "${cut(conditions[0] ?? '')}" is not known here`);
      else if (status === 200 && !target.startsWith('/'))
        problem("another site cannot be served in this one's place");
      else
        rules.push({
          pattern: pathPattern(from),
          query: words.slice(1, at).map((word) => {
            const [name = '', ...value] = word.split('=');
            return [name, value.join('=')];
          }),
          target,
          status,
          force: force === '!',
        });
    }
  }
  return { rules, problems };
}

/**
 * @param {string} text
 * @returns {{ rules: HeaderRule[], problems: string[] }}
 */
export function parseHeaders(text) {
  /** @type {HeaderRule[]} */
  const rules = [];
  /** @type {string[]} */
  const problems = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (raw.trim() === '' || raw.trim().startsWith('#')) continue;
    if (!/^\s/.test(raw)) {
      if (raw.startsWith('/') && rules.length < maxRules)
        rules.push({ pattern: pathPattern(raw.trim()), headers: {} });
      else problems.push(`_headers line ${index + 1}: "${cut(raw)}" is not a path of this site`);
      continue;
    }
    const [, name, value] = /^\s+([\w!#$%&'*+.^`|~-]+)\s*:\s*([\t\x20-\x7e]*?)\s*$/.exec(raw) ?? [];
    const rule = rules.at(-1);
    if (!rule || name === undefined || value === undefined)
      problems.push(`_headers line ${index + 1}: expected "Name: value" below a path`);
    else {
      const key = name.toLowerCase();
      rule.headers[key] = rule.headers[key] === undefined ? value : `${rule.headers[key]}, ${value}`;
    }
  }
  return { rules, problems };
}

/**
 * `*` at the end is any rest, `:name` one segment.
 * @param {string} path
 */
function pathPattern(path) {
  const seen = new Set();
  const source = path
    .replace(/\/+$/, '')
    .split(/(\*|:[A-Za-z]\w*)/)
    .map((part) => {
      if (part === '*') return named('splat', '.*', seen);
      return part.startsWith(':')
        ? named(part.slice(1), '[^/]+', seen)
        : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('')
    // "/old/*" is also "/old".
    .replace(/\/(\(\?<splat>\.\*\))$/, '(?:/$1)?');
  return new RegExp(`^${source}/?$`);
}

/**
 * @param {string} name
 * @param {string} what
 * @param {Set<string>} seen
 */
function named(name, what, seen) {
  if (seen.has(name)) return what;
  seen.add(name);
  return `(?<${name}>${what})`;
}

/**
 * Where a redirect leads for a path; undefined: it is not for this one.
 * @param {Redirect} rule
 * @param {string} path decoded
 * @param {URLSearchParams} query
 */
export function targetOf(rule, path, query) {
  const match = rule.pattern.exec(path);
  if (!match) return undefined;
  /** @type {Record<string, string | undefined>} */
  const values = { ...match.groups };
  for (const [name, wanted] of rule.query) {
    const given = query.get(name);
    if (given === null) return undefined;
    if (wanted.startsWith(':')) values[wanted.slice(1)] = given;
    else if (wanted !== given) return undefined;
  }
  const target = rule.target.replace(/:([A-Za-z]\w*)/g, (whole, name) =>
    Object.hasOwn(values, name) ? encodeURI(values[name] ?? '').replace(/[?#]/g, encodeURIComponent) : whole,
  );
  // A header holds nothing else.
  return target.replace(/[^\x21-\x7e]+/g, encodeURI);
}

/** @param {string} text */
function cut(text) {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
