// POST /v1/apps/APP/deploys: a folder as a tar becomes a commit in the app's repository and then goes the way of a push, through git's own
// receive-pack with its checks and its hook. It lies under refs/berth/deploys/N; the deploy branch does not move, so `git push` goes on as before.
// Must never write an entry of the archive to the disk as a file.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import type { Grant } from './controller-client.ts';
import { checkSpace } from './decide-push.ts';
import { openTar } from './deploy-body.ts';
import { DeployedTree } from './deployed-tree.ts';
import { gitEnvironment } from './git-process.ts';
import type { DeployRequest } from './git-request.ts';
import { LineAnswer } from './line-answer.ts';
import { PackSpool } from './pack-spool.ts';
import { tooManyBytes, tooManyFiles } from './push-words.ts';
import { shown, type TarEntry, TarReader } from './read-tar.ts';
import type { Receiver } from './receiver.ts';
import { ensureRepository, readRef } from './repository.ts';
import { type Push, runDecision, settlePush, startPush } from './run-push.ts';

const refs = 'refs/berth/deploys';
/** So many deploys can be fetched from the repository; older ones are let go. */
const keptDeploys = 50;
const lastNumbers = new Map<string, number>();

export async function receiveDeploy(
  receiver: Receiver,
  grant: Grant,
  wanted: DeployRequest,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  const { config } = receiver;
  const repository = await ensureRepository(config.repositories, grant.appId, grant.deployBranch);
  await checkSpace({ repository, limits: config });
  // the sweep knows the beginning of its name
  const spool = await PackSpool.open(
    `${config.repositories}/.new-deploy-${randomUUID()}`,
    config.pushMaxBytes,
  );
  try {
    const tree = await readFolder(receiver, request, spool);
    request.resume(); // padding behind the archive's end
    if (wanted.entersOnlyFolder) tree.enterOnlyFolder();
    const commit = await writeCommit(grant, repository, tree, spool);
    const number = await nextNumber(repository);
    if (response.destroyed) return; // it left while git was asked
    const answer = new LineAnswer(response);
    const push = startPush(
      receiver,
      repository,
      response,
      gitEnvironment(config.pushMaxBytes, {}, [['receive.hideRefs', '!refs/berth']]),
      'pipe',
    );
    await runDeploy({
      receiver,
      grant,
      push,
      spool,
      answer,
      commit,
      ref: `${refs}/${number}`,
      wanted,
      startedMs,
    });
    if (push.accepted) await dropRef(repository, `${refs}/${number - keptDeploys}`);
  } finally {
    await spool.remove();
  }
}

interface Deploy {
  receiver: Receiver;
  grant: Grant;
  push: Push;
  spool: PackSpool;
  answer: LineAnswer;
  commit: string;
  ref: string;
  wanted: DeployRequest;
  startedMs: number;
}

/** Speaks to git as a pusher would: one command, then the pack. */
async function runDeploy(deploy: Deploy): Promise<void> {
  const { receiver, grant, push, spool, answer, commit, ref, wanted, startedMs } = deploy;
  const { child, ended } = push;
  const deciding = runDecision(receiver, grant, push, {
    startedMs,
    deployRef: ref,
    noCache: wanted.noCache,
    print: (line) => answer.line(line),
    onEnd: (end) => answer.keepEnd(end),
  });
  const reasons = keepReasons(child.stderr as Readable);
  (child.stdout as Readable).resume(); // what git reports of the ref is read from the ref
  const command = packetLine(`${'0'.repeat(40)} ${commit} ${ref}\0 report-status agent=berth`);
  const feeding = pipeline(Readable.from(withHead(`${command}0000`, spool.read())), child.stdin as Writable);
  feeding.catch(() => {}); // git that stops reading says why
  try {
    await ended;
    await deciding;
  } finally {
    await settlePush(receiver, push);
  }
  if (!push.accepted && !answer.hasEnd) await answer.refuse(gitRefusal(reasons()));
  answer.end();
}

async function readFolder(
  receiver: Receiver,
  request: IncomingMessage,
  spool: PackSpool,
): Promise<DeployedTree> {
  const { treeMaxFiles, treeMaxBytes } = receiver.config;
  const { tar, close } = await openTar(request);
  const reader = new TarReader(tar, treeMaxFiles * 4 + 1000);
  const tree = new DeployedTree();
  const hint = 'leave build results and downloads out (.gitignore, .berthignore)';
  let [files, bytes] = [0, 0];
  try {
    for (let entry = await reader.next(); entry; entry = await reader.next()) {
      if (entry.kind === 'folder') continue; // git keeps no empty folders
      files += 1;
      bytes += entry.size;
      if (files > treeMaxFiles) throw new AppError('too_large', tooManyFiles(files, treeMaxFiles), { hint });
      if (bytes > treeMaxBytes) throw new AppError('too_large', tooManyBytes(bytes, treeMaxBytes), { hint });
      await addEntry(tree, entry, reader, spool);
    }
    return tree;
  } finally {
    close();
  }
}

async function addEntry(
  tree: DeployedTree,
  entry: TarEntry,
  reader: TarReader,
  spool: PackSpool,
): Promise<void> {
  const { path, kind, link } = entry;
  if (kind === 'symlink')
    return tree.add(path, { mode: '120000', oid: await spool.add('blob', Buffer.from(link)) });
  if (kind === 'hardlink') {
    const target = tree.find(link);
    if (target) return tree.add(path, target);
    throw new AppError(
      'invalid',
      `"${shown(path)}" is a hard link to "${shown(link)}", which is not in the archive`,
      {
        hint: 'pack it as a file of its own',
      },
    );
  }
  const oid = await spool.addBlob(entry.size, reader.content());
  tree.add(path, { mode: entry.isExecutable ? '100755' : '100644', oid });
}

/** Its parent is what the deploy branch holds, so that its history is the app's. */
async function writeCommit(
  grant: Grant,
  repository: string,
  tree: DeployedTree,
  spool: PackSpool,
): Promise<string> {
  const treeOid = await tree.write((content) => spool.add('tree', content));
  const parent = await readRef(repository, `refs/heads/${grant.deployBranch}`);
  const who = `${grant.user} <${grant.user}> ${Math.floor(Date.now() / 1000)} +0000`;
  const lines = [
    `tree ${treeOid}`,
    ...(parent === null ? [] : [`parent ${parent}`]),
    `author ${who}`,
    `committer ${who}`,
    '',
    `deploy of a folder by ${grant.user}`,
    '',
  ];
  return spool.add('commit', Buffer.from(lines.join('\n')));
}

/** Deploys that did not go live leave a gap. */
async function nextNumber(repository: string): Promise<number> {
  const listed = await runCommand(
    ['git', '--git-dir', repository, 'for-each-ref', '--format=%(refname)', refs],
    {
      env: gitEnvironment(0),
      timeoutMs: 10_000,
    },
  );
  const numbers = listed.stdout
    .toString('utf8')
    .split('\n')
    .map((name) => Number(name.slice(refs.length + 1)))
    .filter(Number.isSafeInteger);
  const number = Math.max(0, lastNumbers.get(repository) ?? 0, ...numbers) + 1;
  lastNumbers.set(repository, number);
  return number;
}

async function dropRef(repository: string, ref: string): Promise<void> {
  const argv: [string, ...string[]] = ['git', '--git-dir', repository, 'update-ref', '-d', ref];
  await runCommand(argv, { env: gitEnvironment(0), timeoutMs: 10_000 });
}

async function* withHead(head: string, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(head);
  yield* rest;
}

function packetLine(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}

/** The end of what git says to its standard error. */
function keepReasons(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-8192);
  });
  stream.on('error', () => {});
  return () => text;
}

function gitRefusal(reasons: string): AppError {
  const line = /^(?:error|fatal): (.+)$/m.exec(reasons)?.[1];
  return new AppError('invalid', `git refuses these files${line === undefined ? '' : `: ${shown(line)}`}`);
}
