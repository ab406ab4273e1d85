// The process types of a pushed tree: its Procfile, or what the plan says. Called once a build.
import type { SourceTree } from '../source/source-tree.ts';
import { parseProcfile } from './procfile.ts';

export async function readProcessTypes(
  tree: SourceTree,
  defaults: Record<string, string>,
): Promise<Record<string, string>> {
  const text = await tree.readText('Procfile', 256 * 1024);
  const declared = text === undefined ? {} : parseProcfile(text);
  if (Object.keys(declared).length === 0) return defaults;
  // Heroku's rule: a Procfile without "web" keeps the default one only when it has nothing but a release phase.
  const onlyRelease = Object.keys(declared).every((name) => name === 'release');
  return onlyRelease ? { ...defaults, ...declared } : declared;
}
