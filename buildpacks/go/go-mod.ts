// Reads go.mod and go.work: only what a plan looks at. Pure. Used by facts.ts; the go command itself checks the rest of the file.
export interface ModuleFile {
  /** The module's path; undefined in a go.work. */
  module: string | undefined;
  /** The `go` and `toolchain` lines, without "go": "1.23.4". */
  go: string | undefined;
  toolchain: string | undefined;
  requires: string[];
  /** Folders of `use` lines, from the root of the tree, '' for the root itself. */
  uses: string[];
  /** Heroku's comments: `// +heroku goVersion go1.23`, `// +heroku install ./cmd/... ./x`. */
  herokuVersion: string | undefined;
  herokuInstall: string[];
}

export function readModuleFile(text: string): ModuleFile {
  const found: ModuleFile = {
    module: undefined,
    go: undefined,
    toolchain: undefined,
    requires: [],
    uses: [],
    herokuVersion: undefined,
    herokuInstall: [],
  };
  let block: string | undefined;
  for (const raw of text.split(/\r?\n/)) {
    readHerokuComment(raw, found);
    const words = raw
      .replace(/\/\/.*$/, '')
      .trim()
      .split(/\s+/)
      .map(unquoted);
    const [first, second] = words;
    if (first === undefined || first === '') continue;
    if (block !== undefined) {
      if (first === ')') block = undefined;
      else take(block, words, found);
    } else if (second === '(') block = first;
    else take(first, words.slice(1), found);
  }
  return found;
}

function take(directive: string, [value]: string[], found: ModuleFile): void {
  if (value === undefined) return;
  if (directive === 'module') found.module = value;
  if (directive === 'go') found.go = value;
  if (directive === 'toolchain' && value !== 'default') found.toolchain = value.replace(/^go/, '');
  if (directive === 'require') found.requires.push(value);
  if (directive === 'use') found.uses.push(value.replace(/^\.\/?/, '').replace(/\/+$/, ''));
}

function readHerokuComment(line: string, found: ModuleFile): void {
  const [, name, rest = ''] = /^\s*\/\/\s*\+heroku\s+(\w+)\s+(.+?)\s*$/.exec(line) ?? [];
  if (name === 'goVersion') found.herokuVersion = rest;
  if (name === 'install') found.herokuInstall.push(...rest.split(/\s+/));
}

function unquoted(word: string): string {
  return /^(".*"|`.*`)$/.test(word) ? word.slice(1, -1) : word;
}

/** What `go build` calls the command of a module's root: the last part of its path that is no major version. */
export function commandName(modulePath: string): string {
  const parts = modulePath.split('/');
  const last = parts.at(-1) ?? modulePath;
  return /^v[0-9]+$/.test(last) && parts.length > 1 ? (parts.at(-2) ?? last) : last;
}
