// Reads an XML file of a tree (pom.xml, web.xml) as plain elements. Pure; used by pom.ts and servlet-api.ts.
// Must never expand anything: a document type is refused, entities are the five of XML and character numbers.
import { AppError } from '@berth/kit/errors.ts';

export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  /** Its own text without that of its children, trimmed. */
  text: string;
}

/** Deeper is no pom. */
const maxDepth = 100;
const token =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<!|<\/([^\s>]+)\s*>|<([^\s/>!?]+)((?:[^>"']|"[^"]*"|'[^']*')*?)(\/?)>|([^<]+)/gy;

export function readXml(text: string, file: string): XmlElement {
  const top: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const open = [top];
  token.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    token.lastIndex = at;
    const found = token.exec(text);
    if (!found || found[0] === '<!') throw unreadable(text, file, at);
    const [whole, data, closes, opens, attributes = '', empty, words] = found;
    const current = open.at(-1) ?? top;
    if (opens !== undefined) {
      const element = { name: opens, attributes: readAttributes(attributes), children: [], text: '' };
      current.children.push(element);
      if (empty === '') open.push(element);
      if (open.length > maxDepth) throw unreadable(text, file, at);
    } else if (closes !== undefined) {
      if (open.length === 1 || current.name !== closes) throw unreadable(text, file, at);
      current.text = current.text.trim();
      open.pop();
    } else current.text += data ?? decode(words ?? '');
    at += whole.length;
  }
  const root = top.children[0];
  if (!root || open.length > 1) throw unreadable(text, file, text.length);
  return root;
}

/** The first child of that name, however deep the names go. */
export function child(element: XmlElement | undefined, ...names: string[]): XmlElement | undefined {
  let found = element;
  for (const name of names) found = found?.children.find((candidate) => candidate.name === name);
  return found;
}

export function childrenOf(element: XmlElement | undefined, ...names: string[]): XmlElement[] {
  return child(element, ...names)?.children ?? [];
}

function readAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)];
  return Object.fromEntries(pairs.map(([, name = '', a, b]) => [name, decode(a ?? b ?? '')]));
}

const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return named[name] ?? whole;
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function unreadable(text: string, file: string, at: number): AppError {
  const line = text.slice(0, at).split('\n').length;
  return new AppError('invalid', `${file} is not readable as XML (line ${line})`, {
    hint: `make "mvn validate" work on your machine, commit ${file} and push again`,
  });
}
