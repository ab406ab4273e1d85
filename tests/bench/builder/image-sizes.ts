// Sizes of the run image and of the smallest Node app on it, uncompressed. Used by run.ts.
import { readFileSync } from 'node:fs';
import type { Workbench } from '../../builder/workbench.ts';
import { serverFiles } from '../../helpers/app.ts';

const recipe = new URL('../../../infra/stacks/debian-13/recipe.json', import.meta.url);

export async function imageSizes(bench: Workbench): Promise<string> {
  const { run } = JSON.parse(readFileSync(recipe, 'utf8')) as { run: { tag: string } };
  const built = await bench.build(serverFiles('1'), { app: 'hello' });
  if (built.end?.status !== 'succeeded') throw new Error(built.output);
  const rows: [string, string, number][] = [
    ['run image', run.tag, 90],
    ['hello world in Node.js', built.end.result.image, 160],
  ];
  const lines = rows.map(async ([what, image, aim]) => {
    const bytes = (await bench.engine.inspectImage(image))?.Size ?? Number.NaN;
    return `| ${what} | ${(bytes / 1_000_000).toFixed(1)} MB | ${aim} MB | ${bytes < aim * 1_000_000 ? 'met' : 'missed'} |`;
  });
  return `| image, uncompressed | is | shall be under | |\n|---|--:|--:|---|\n${(await Promise.all(lines)).join('\n')}\n`;
}
