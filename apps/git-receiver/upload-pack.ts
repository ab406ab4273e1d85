// GET info/refs for both services, and POST git-upload-pack: clone and fetch what is deployed. Called by the server.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { asAppError } from '@berth/kit/errors.ts';
import type { Grant } from './controller-client.ts';
import { endGit, type GitProcess, gitEnvironment, protocolVariable, startGit } from './git-process.ts';
import { checkRpcHeaders, type GitService } from './git-request.ts';
import type { Receiver } from './receiver.ts';
import { ensureRepository } from './repository.ts';
import { feedBody } from './request-body.ts';
import { pourOutput } from './response-stream.ts';

/** Wants and haves of a fetch: even a hundred thousand refs need less. */
const fetchMaxBytes = 64 * 1024 * 1024;
/** A fetch that no client reads, or that git never ends, must not stay for ever. */
const fetchLimitMs = 60 * 60_000;

export async function advertiseRefs(
  receiver: Receiver,
  grant: Grant,
  service: GitService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const protocol = protocolVariable(request.headers['git-protocol']);
  const args = [service.slice('git-'.length), '--stateless-rpc', '--advertise-refs'];
  const { child, ended, release } = await start(receiver, grant, args, protocol, response);
  child.stdin?.end();
  // Version 2 advertises capabilities without the banner; receive-pack speaks no version 2.
  const plain = service === 'git-upload-pack' && protocol['GIT_PROTOCOL']?.includes('version=2');
  const banner = plain ? '' : `${packetLine(`# service=${service}\n`)}0000`;
  try {
    await pourOutput(child, ended, response, service, 'advertisement', banner);
  } finally {
    release();
  }
}

export async function uploadPack(
  receiver: Receiver,
  grant: Grant,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { gzip } = checkRpcHeaders('git-upload-pack', request.headers);
  const protocol = protocolVariable(request.headers['git-protocol']);
  const args = ['upload-pack', '--stateless-rpc'];
  const { child, ended, release } = await start(receiver, grant, args, protocol, response);
  try {
    const pouring = pourOutput(child, ended, response, 'git-upload-pack');
    pouring.catch(() => {}); // awaited below; a failing body comes first
    try {
      await feedBody(request, child.stdin as Writable, { gzip, maxBytes: fetchMaxBytes });
    } catch (error) {
      if (asAppError(error).code !== 'unavailable') throw error;
    }
    await pouring;
  } finally {
    await endGit(child);
    release();
  }
}

async function start(
  receiver: Receiver,
  grant: Grant,
  args: string[],
  protocol: Record<string, string>,
  response: ServerResponse,
): Promise<{ child: GitProcess; ended: Promise<number>; release: () => void }> {
  const { config } = receiver;
  const repository = await ensureRepository(config.repositories, grant.appId, grant.deployBranch);
  const env = gitEnvironment(config.pushMaxBytes, protocol);
  const child = startGit([...args, repository], env, ['pipe', 'pipe', 'ignore']);
  const forget = receiver.track(child);
  const limit = setTimeout(() => void endGit(child), fetchLimitMs);
  const leave = () => void endGit(child);
  response.on('close', leave);
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  child.on('error', () => resolve(127));
  child.on('exit', (code) => resolve(code ?? 128));
  (child.stdout as Readable).on('error', () => {});
  child.stdin?.on('error', () => {}); // git may end before it has read everything
  const release = () => {
    clearTimeout(limit);
    forget();
  };
  return { child, ended, release };
}

function packetLine(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}
