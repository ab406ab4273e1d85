// The images that a Dockerfile is built on, as its author names them, and which ones the engine took. Called by attest-build.ts.
import type { EngineClient } from '@berth/clients/engine-client.ts';

const maxImages = 20;

/** Stages of its own and `scratch` are no base images; a name with a variable is shown as it stands. */
export function namesInDockerfile(dockerfile: string): string[] {
  const stages = new Set(['scratch']);
  const names = new Set<string>();
  const lines = dockerfile.replace(/\\[ \t]*\r?\n/g, ' ').split('\n');
  for (const line of lines) {
    const [, name = '', stage] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$/i.exec(line) ?? [];
    if (name !== '' && !stages.has(name.toLowerCase())) names.add(name);
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  return [...names].slice(0, maxImages);
}

export async function baseImages(
  engine: Pick<EngineClient, 'inspectImage'>,
  dockerfile: string | undefined,
): Promise<{ name: string; digest: string | undefined }[]> {
  return Promise.all(
    namesInDockerfile(dockerfile ?? '').map(async (name) => {
      if (name.includes('$')) return { name, digest: undefined };
      const image = await engine.inspectImage(name).catch(() => undefined);
      return { name, digest: image?.Id };
    }),
  );
}
