// Sizes of the run image and of the smallest Node app on it, uncompressed. Used by run.ts.
import type { Workbench } from '../../builder/workbench.ts';
import { serverFiles } from '../../helpers/app.ts';

export async function imageSizes(bench: Workbench): Promise<string> {
  const built = await bench.build(serverFiles('1'), { app: 'hello' });
  if (built.end?.status !== 'succeeded') throw new Error(built.output);
  const { layers, image } = built.end.result;
  const stack = layers.filter(({ name }) => name.startsWith('stack'));
  const sum = (some: typeof layers) => some.reduce((all, { sizeBytes }) => all + (sizeBytes ?? 0), 0) / 1e6;
  const tars = ((await bench.engine.inspectImage(image))?.Size ?? Number.NaN) / 1e6;
  const rows: [string, number, number][] = [
    ['run image', sum(stack), 90],
    [`hello world in Node.js (as layers' tars: ${tars.toFixed(1)} MB)`, sum(layers), 160],
  ];
  const lines = rows.map(
    ([what, is, aim]) => `| ${what} | ${is.toFixed(1)} MB | ${aim} MB | ${is < aim ? 'met' : 'missed'} |`,
  );
  return `| image, uncompressed: the files' bytes | is | shall be under | |\n|---|--:|--:|---|\n${lines.join('\n')}\n`;
}
