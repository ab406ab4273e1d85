// Builds of a test: contexts from a few lines, the docker CLI or the API, on an engine with a base image that has a shell.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { TestEngine } from './engine-harness.ts';
import { hostProgramsTar } from './host-programs-root.ts';
import { makeTar } from './make-tar.ts';

export interface Built {
  code: number;
  out: string;
  err: string;
}

export class BuildBench {
  readonly engine: TestEngine;
  #contexts = 0;

  constructor(engine: TestEngine) {
    this.engine = engine;
  }

  static async start(name: string): Promise<BuildBench> {
    const engine = await TestEngine.start(name);
    const { diffId } = await engine.client.makeLayer(Readable.from([hostProgramsTar()]), { mtime: 0 });
    await engine.client.makeImage({
      config: { architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] } },
      layers: [diffId],
      tags: ['base'],
    });
    return new BuildBench(engine);
  }

  /** A folder with these files; a text that begins with "-> " is a link. */
  async context(files: Record<string, string>): Promise<string> {
    const dir = join(this.engine.dir, `context-${this.#contexts++}`);
    await mkdir(dir);
    for (const [name, text] of Object.entries(files)) {
      const path = join(dir, name);
      await mkdir(dirname(path), { recursive: true });
      if (text.startsWith('-> ')) await symlink(text.slice(3), path);
      else await writeFile(path, text);
    }
    return dir;
  }

  /** `docker build` with the classic builder. */
  async build(files: Record<string, string>, args: string[] = []): Promise<Built> {
    const dir = await this.context(files);
    try {
      return await this.docker(['build', ...args, dir]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  /** Builds and gives the output; fails with what was said when it does not work. */
  async built(
    tag: string,
    dockerfile: string,
    files: Record<string, string> = {},
    args: string[] = [],
  ): Promise<string> {
    const { code, out, err } = await this.build({ Dockerfile: dockerfile, ...files }, ['-t', tag, ...args]);
    assert.equal(code, 0, out + err);
    return out;
  }

  /** Why it does not build. */
  async refused(
    dockerfile: string,
    files: Record<string, string> = {},
    args: string[] = [],
  ): Promise<string> {
    const { code, err } = await this.build({ Dockerfile: dockerfile, ...files }, args);
    assert.notEqual(code, 0);
    return err;
  }

  async docker(args: string[], input?: string): Promise<Built> {
    const { code, stdout, stderr } = await this.engine.docker(args, input);
    return { code, out: stdout, err: stderr.replace(/^DEPRECATED[\s\S]*?buildx\/\n\n/, '') };
  }

  /** What a command prints in a container of the image. */
  async sh(image: string, script: string): Promise<string> {
    const { out, err } = await this.docker(['run', '--rm', '--entrypoint', '/bin/sh', image, '-c', script]);
    return out + err;
  }

  async inspect(
    image: string,
  ): Promise<{ Id: string; Config: Record<string, unknown>; RootFS: { Layers: string[] } }> {
    const { out } = await this.docker(['image', 'inspect', image]);
    return (
      JSON.parse(out) as [{ Id: string; Config: Record<string, unknown>; RootFS: { Layers: string[] } }]
    )[0];
  }

  /** POST /build as a client of our own: the whole answer as text. */
  async post(
    query: Record<string, string>,
    tar: Buffer,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const call = request(
      {
        socketPath: this.engine.socketPath,
        method: 'POST',
        path: `/build?${new URLSearchParams(query).toString()}`,
        headers: { 'Content-Type': 'application/x-tar', ...headers },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
      },
    );
    call.on('error', reject).end(tar);
    return promise;
  }

  dockerfileTar(dockerfile: string): Buffer {
    return makeTar([{ name: 'Dockerfile', content: dockerfile }]);
  }
}
