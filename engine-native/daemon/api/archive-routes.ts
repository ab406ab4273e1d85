// Docker's routes of a container's files: archive (docker cp), export, changes (docker diff).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { AppError } from '@berth/kit/errors.ts';
import { containerChanges } from '../archive/changes.ts';
import { type RootParts, withContainerRoot, writtenRoot } from '../archive/container-root.ts';
import { pathStatHeader } from '../archive/path-stat.ts';
import { wholeTar } from '../archive/tar-end.ts';
import { userIds } from '../archive/user-ids.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { publishContainer } from '../containers/describe-event.ts';
import type { Events } from '../events.ts';
import type { PathStat } from '../runtime/helper.ts';
import { RuntimeFailure } from '../runtime/runtime-failure.ts';
import { type Call, isSet, param, type Reply, type Route } from './route.ts';

export interface ArchiveApiParts extends RootParts {
  registry: ContainerRegistry;
  events: Events;
}

const usernsSize = 65_536;
const statHeader = 'X-Docker-Container-Path-Stat';

export function archiveRoutes(parts: ArchiveApiParts): Route[] {
  const on = (
    method: string,
    action: string,
    handle: (container: Container, call: Call) => Promise<Reply>,
  ): Route => ({
    method,
    pattern: `/containers/:id/${action}`,
    handle: (call) => handle(parts.registry.get(param(call, 'id')), call),
  });
  return [
    on('HEAD', 'archive', (container, call) => head(container, call, parts)),
    on('GET', 'archive', (container, call) => get(container, call, parts)),
    on('PUT', 'archive', (container, call) => put(container, call, parts)),
    on('GET', 'export', (container, call) => exportAll(container, call, parts)),
    on('GET', 'changes', async (container) => ({
      status: 200,
      body: nullWhenEmpty(await containerChanges(container, parts)),
    })),
  ];
}

/** As Docker answers: no change is null. */
function nullWhenEmpty<T>(list: T[]): T[] | null {
  return list.length > 0 ? list : null;
}

function pathOf({ query }: Call): string {
  const path = query.get('path') ?? '';
  if (path === '') throw new AppError('bad_request', 'bad parameter: path cannot be empty');
  if (path.includes('\0')) throw new AppError('bad_request', 'bad parameter: path holds a NUL character');
  return path.startsWith('/') ? path : `/${path}`;
}

async function head(container: Container, call: Call, parts: ArchiveApiParts): Promise<Reply> {
  const path = pathOf(call);
  const stat = await inDockersWords(path, call, () =>
    withContainerRoot(container, parts, (root) => parts.helper.archiveStat(root, path)),
  );
  call.response.setHeader(statHeader, pathStatHeader(stat));
  return { status: 200 };
}

async function get(container: Container, call: Call, parts: ArchiveApiParts): Promise<Reply> {
  const path = pathOf(call);
  await inDockersWords(path, call, () =>
    withContainerRoot(container, parts, async (root) => {
      const { stat, tar } = await parts.helper.archiveGet(root, path);
      await send(call.response, tar, stat);
    }),
  );
  publishContainer(parts.events, container, 'archive-path', { path });
  return undefined;
}

async function exportAll(container: Container, call: Call, parts: ArchiveApiParts): Promise<Reply> {
  const { tar } = await parts.helper.archiveGet(writtenRoot(container.record, parts), '/', {
    contents: true,
  });
  await send(call.response, tar);
  publishContainer(parts.events, container, 'export');
  return undefined;
}

/** A reader that goes away ends the helper's work; an archive that is not whole breaks the connection. */
async function send(response: ServerResponse, tar: Socket, stat?: PathStat): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'application/x-tar',
    ...(stat ? { [statHeader]: pathStatHeader(stat) } : {}),
  });
  await pipeline(tar, wholeTar(), response);
}

async function put(container: Container, call: Call, parts: ArchiveApiParts): Promise<Reply> {
  const path = pathOf(call);
  const { query, request } = call;
  const isMapped = container.record.usernsBase !== null;
  await inDockersWords(path, call, () =>
    withContainerRoot(container, parts, async (root) => {
      const user = isSet(query, 'copyUIDGID') ? container.record.config.User : '';
      const owner = await userIds(user, root, parts.helper);
      await parts.helper.archivePut(root, path, await plainTar(request), {
        noSwap: isSet(query, 'noOverwriteDirNonDir'),
        ...(owner ? { owner } : {}),
        ...(isMapped ? { idLimit: usernsSize } : {}),
      });
    }),
  );
  publishContainer(parts.events, container, 'extract-to-dir', { path });
  return { status: 200 };
}

/** Only a copy into a container needs the decompressors. */
async function plainTar(request: IncomingMessage) {
  const { decompressed } = await import('../images/decompress.ts');
  return decompressed(request);
}

async function inDockersWords<T>(path: string, call: Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RuntimeFailure) || call.response.headersSent) throw error;
    if (error.runtimeCode === 'not_found' && error.message.startsWith('cannot open'))
      throw new AppError('not_found', `Could not find the file ${path} in container ${param(call, 'id')}`, {
        cause: error,
      });
    if (/Read-only file system/i.test(error.message))
      throw new AppError(
        'bad_request',
        `container rootfs or mounted volume is marked read-only: ${error.message}`,
      );
    throw error;
  }
}
