// What the git receiver asks of the controller: may this request, start this push, follow it.
import { type Static, Type } from '@sinclair/typebox';
import { Id, Oid } from './names.ts';

/** `POST /internal/git/authorize`: 401 unauthorized, 403 forbidden (another's app), 404 not_found. */
export const GitAuthorize = Type.Object({
  authorization: Type.Union([Type.String(), Type.Null()], {
    description: 'the Authorization header as it came: Basic (password = token) or Bearer',
  }),
  app: Type.String(),
  service: Type.Union([Type.Literal('git-receive-pack'), Type.Literal('git-upload-pack')]),
});
export const GitAuthorized = Type.Object({
  appId: Id,
  appName: Type.String(),
  userId: Id,
  user: Type.String(),
  deployBranch: Type.String(),
});
export type GitAuthorized = Static<typeof GitAuthorized>;

/**
 * `POST /internal/pushes`: a checked push to the deploy branch. An unfinished push of the app that is still building is superseded;
 * one that is deploying is waited for; then nothing has been started and the answer is PushWaited: the branch has moved meanwhile, or
 * the receiver asks again.
 */
export const StartPush = Type.Object({
  appId: Id,
  userId: Id,
  ref: Type.String(),
  oldOid: Type.String(),
  newOid: Oid,
  treeOid: Oid,
  repository: Type.String(),
  objectDirectories: Type.Array(Type.String()),
  noCache: Type.Optional(Type.Boolean({ description: 'git push -o no-cache' })),
  trigger: Type.Optional(
    Type.Literal('deploy', { description: 'a folder or an archive; absent: a git push' }),
  ),
});
export type StartPush = Static<typeof StartPush>;
export const StartedPush = Type.Object({ pushId: Id, buildNumber: Type.Integer() });
export type StartedPush = Static<typeof StartedPush>;
export const PushWaited = Type.Object({ waited: Type.Literal(true) });
export type PushWaited = Static<typeof PushWaited>;

/** `GET /internal/pushes/:id/output?after=SEQ`: NDJSON of OutputLine (release.ts). Closing it before the end line means that the pusher is gone. */
/** `POST /internal/pushes/:id/landed`: the ref has been updated (or not). Until then the app's next push waits. */
export const PushLanded = Type.Object({ ok: Type.Boolean() });
