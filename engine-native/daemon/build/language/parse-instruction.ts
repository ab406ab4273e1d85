// One logical line as an instruction, checked as far as it can be without knowing variables. Pure.

import { takeFlags } from './flags.ts';
import type { Healthcheck, Instruction, Pair } from './instruction.ts';
import { commandOf, jsonWords, type Parts, placeOf } from './instruction-parts.ts';
import { nearestKeyword } from './nearest-keyword.ts';
import { parseDuration } from './parse-duration.ts';
import { parseError } from './parse-error.ts';
import { parseCopy, parseRun } from './parse-file-instructions.ts';
import { type EscapeToken, type SourceLine, splitKeyword } from './source-lines.ts';
import { splitWords } from './words.ts';

const parsers: Record<string, (parts: Parts) => Instruction> = {
  FROM: parseFrom,
  ARG: parseArg,
  ENV: (parts) => ({ ...placeOf(parts), kind: 'env', pairs: pairsOf(parts) }),
  LABEL: (parts) => ({ ...placeOf(parts), kind: 'label', pairs: pairsOf(parts) }),
  RUN: parseRun,
  COPY: (parts) => parseCopy(parts, 'copy'),
  ADD: (parts) => parseCopy(parts, 'add'),
  WORKDIR: (parts) => parseValue(parts, 'workdir'),
  USER: (parts) => parseValue(parts, 'user'),
  STOPSIGNAL: (parts) => parseValue(parts, 'stopsignal'),
  MAINTAINER: (parts) => parseValue(parts, 'maintainer'),
  EXPOSE: (parts) => ({ ...placeOf(parts), kind: 'expose', ports: needed(parts) }),
  VOLUME: parseVolume,
  CMD: (parts) => ({ ...placeOf(parts), kind: 'cmd', command: commandOf(parts.rest) }),
  ENTRYPOINT: (parts) => ({ ...placeOf(parts), kind: 'entrypoint', command: commandOf(parts.rest) }),
  SHELL: parseShell,
  HEALTHCHECK: parseHealthcheck,
  ONBUILD: parseOnbuild,
};

const flagsOf: Record<string, string[]> = {
  FROM: ['platform'],
  RUN: ['mount*', 'network', 'security', 'device*'],
  COPY: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude*'],
  ADD: ['chown', 'chmod', 'link', 'exclude*', 'checksum', 'keep-git-dir', 'unpack'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};

export function parseInstruction(source: SourceLine, escapeToken: EscapeToken): Instruction {
  const { keyword, line } = source;
  const parse = Object.hasOwn(parsers, keyword) ? parsers[keyword] : undefined;
  if (!parse) {
    const near = nearestKeyword(keyword, Object.keys(parsers));
    const meant = near === undefined ? '' : ` (did you mean ${near}?)`;
    throw parseError(line, `unknown instruction: ${keyword.slice(0, 60)}${meant}`);
  }
  const { flags, rest } = takeFlags(source.rest, line, escapeToken);
  flags.allow(keyword, flagsOf[keyword] ?? []);
  const text = source.rest === '' ? keyword : `${keyword} ${source.rest}`;
  return parse({ line, text, keyword, rest, flags, source, escapeToken });
}

function needed({ keyword, rest, line }: Parts): string {
  if (rest === '') throw parseError(line, `${keyword} requires at least one argument`);
  return rest;
}

function parseValue(parts: Parts, kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer'): Instruction {
  if (parts.rest === '') throw parseError(parts.line, `${parts.keyword} requires exactly one argument`);
  const value = parts.rest;
  return kind === 'workdir' ? { ...placeOf(parts), kind, value } : { ...placeOf(parts), kind, value };
}

function parseFrom(parts: Parts): Instruction {
  const words = parts.rest.split(/\s+/).filter((word) => word !== '');
  const [image = '', as, alias = ''] = words;
  const isNamed = words.length === 3 && as?.toLowerCase() === 'as';
  if (words.length !== 1 && !isNamed)
    throw parseError(parts.line, 'FROM requires either one or three arguments', 'write FROM image [AS name]');
  if (isNamed && !/^[a-z][a-z0-9-_.]*$/.test(alias.toLowerCase()))
    throw parseError(
      parts.line,
      `invalid name for build stage: "${alias}", name can't start with a number or contain symbols`,
    );
  return {
    ...placeOf(parts),
    kind: 'from',
    image,
    platform: parts.flags.text('platform'),
    alias: alias.toLowerCase(),
  };
}

function parseArg(parts: Parts): Instruction {
  needed(parts);
  const pairs = splitWords(parts.rest, parts.escapeToken).map((word) => {
    const cut = word.indexOf('=');
    const name = cut < 0 ? word : word.slice(0, cut);
    if (name === '') throw parseError(parts.line, 'ARG names can not be blank');
    return { name, value: cut < 0 ? undefined : word.slice(cut + 1) };
  });
  return { ...placeOf(parts), kind: 'arg', pairs };
}

/** `a=b c="d e"`, or the old `name the rest of the line`. */
function pairsOf(parts: Parts): Pair[] {
  const { keyword, line, escapeToken } = parts;
  const words = splitWords(needed(parts), escapeToken);
  const first = words[0] ?? '';
  if (!first.includes('=')) {
    const value = parts.rest.slice(first.length).trim();
    if (value === '') throw parseError(line, `${keyword} must have two arguments`);
    return [{ name: first, value }];
  }
  return words.map((word) => {
    const cut = word.indexOf('=');
    if (cut < 0)
      throw parseError(
        line,
        `Syntax error - can't find = in "${word.slice(0, 80)}". Must be of the form: name=value`,
      );
    if (cut === 0) throw parseError(line, `${keyword} names can not be blank`);
    return { name: word.slice(0, cut), value: word.slice(cut + 1) };
  });
}

function parseVolume(parts: Parts): Instruction {
  const paths = jsonWords(needed(parts)) ?? parts.rest.split(/\s+/);
  if (paths.length === 0 || paths.some((path) => path.trim() === ''))
    throw parseError(parts.line, 'VOLUME specified can not be an empty string');
  return { ...placeOf(parts), kind: 'volume', paths };
}

function parseShell(parts: Parts): Instruction {
  const words = jsonWords(parts.rest);
  if (!words) throw parseError(parts.line, 'SHELL requires the arguments to be in JSON form');
  if (words.length === 0) throw parseError(parts.line, 'SHELL requires at least one argument');
  return { ...placeOf(parts), kind: 'shell', words };
}

function parseHealthcheck(parts: Parts): Instruction {
  const { rest, line, flags } = parts;
  const { keyword: type, rest: command } = splitKeyword(needed(parts));
  if (type === 'NONE') {
    if (command !== '') throw parseError(line, 'HEALTHCHECK NONE takes no arguments');
    return { ...placeOf(parts), kind: 'healthcheck', check: { Test: ['NONE'] }, command: undefined };
  }
  if (type !== 'CMD') throw parseError(line, `Unknown type "${type.slice(0, 60)}" in HEALTHCHECK (try CMD)`);
  if (command === '') throw parseError(line, 'Missing command after HEALTHCHECK CMD', `found "${rest}"`);
  const check: Healthcheck = { Test: [] };
  for (const [flag, field] of healthDurations) {
    const value = flags.text(flag);
    if (value !== '') check[field] = parseDuration(value, `--${flag}`, line);
  }
  const retries = flags.text('retries');
  if (retries !== '') {
    if (!/^\d{1,9}$/.test(retries))
      throw parseError(line, `--retries must be a whole number of at least 0 ("${retries}")`);
    check.Retries = Number(retries);
  }
  return { ...placeOf(parts), kind: 'healthcheck', check, command: commandOf(command) };
}

const healthDurations = [
  ['interval', 'Interval'],
  ['timeout', 'Timeout'],
  ['start-period', 'StartPeriod'],
  ['start-interval', 'StartInterval'],
] as const;

function parseOnbuild(parts: Parts): Instruction {
  const { source, line, escapeToken } = parts;
  const { keyword, rest } = splitKeyword(needed(parts));
  if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(keyword))
    throw parseError(
      line,
      keyword === 'ONBUILD'
        ? "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
        : `${keyword} isn't allowed as an ONBUILD trigger`,
    );
  parseInstruction({ ...source, keyword, rest }, escapeToken); // what is wrong with it is said now, not in the child
  const bodies = source.heredocs.map(({ content, name }) => `\n${content}${name}`).join('');
  return { ...placeOf(parts), kind: 'onbuild', trigger: `${keyword} ${rest}${bodies}` };
}
