// TOML's scalars: strings, numbers, booleans, dates. Used by parse-toml.ts only.
import type { TomlText } from './toml-text.ts';

const integer = /^[+-]?(?:0|[1-9](?:_?\d)*)$/;
const prefixed = /^0(?:x[0-9a-fA-F](?:_?[0-9a-fA-F])*|o[0-7](?:_?[0-7])*|b[01](?:_?[01])*)$/;
const float = /^[+-]?(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?$/;
const date = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})?)?$/;
const time = /^\d{2}:\d{2}:\d{2}(?:\.\d+)?$/;

export function parseScalar(text: TomlText): string | number | boolean {
  const long = multiLine(text);
  if (long !== undefined) return long;
  const quoted = text.quoted();
  if (quoted !== undefined) return quoted;
  const word = text.match(/\d{4}-\d{2}-\d{2} \d{2}:[^\s,\]}#]+/y) ?? text.match(/[^\s,\]}#=]+/y) ?? '';
  const value = bare(word);
  if (value !== undefined) return value;
  if (word === '') throw text.problem('a value is missing');
  const isWord = /^[A-Za-z][\w./ -]*$/.test(word);
  throw text.problem(
    isWord ? `${word} is no value: write "${word}" in quotes` : `"${word}" is no value of TOML`,
  );
}

function bare(word: string): string | number | boolean | undefined {
  if (word === 'true' || word === 'false') return word === 'true';
  if (/^[+-]?inf$/.test(word))
    return word.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/.test(word)) return Number.NaN;
  if (integer.test(word) || prefixed.test(word) || float.test(word)) return Number(word.replaceAll('_', ''));
  return date.test(word) || time.test(word) ? word : undefined;
}

function multiLine(text: TomlText): string | undefined {
  for (const quotes of ['"""', "'''"]) {
    if (!text.take(quotes)) continue;
    const { line } = text;
    // Up to two quotes may stand right before the closing three.
    const body =
      quotes === '"""'
        ? text.match(/(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}/y)
        : text.match(/(?:[^']|'{1,2}(?!'))*'{3,5}/y);
    if (body === undefined) throw text.problem(`the string that begins here has no closing ${quotes}`, line);
    const inner = body.slice(0, -3).replace(/^\n/, '');
    return quotes === '"""' ? text.unescape(inner) : inner;
  }
  return undefined;
}
