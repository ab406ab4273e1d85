// The lines of a push to whoever waits for it; one that leaves and does not come back gives the push up.
// Used for the git receiver's followers and for an image's deployer.
import type { OutputLine } from '@berth/contract/release.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { abandonPush } from './operations/abandon-push.ts';
import { pushOutcome } from './operations/push-outcome.ts';
import { sendGenerated } from './send-lines.ts';
import type { Services } from './services.ts';

/** A follower that lost its connection may come back within this time; then the push counts as abandoned. */
const returnLimitMs = 3000;

export async function followPushOutput(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  follow: {
    pushId: string;
    after: number;
    shape?: (lines: AsyncGenerator<OutputLine>) => AsyncIterable<OutputLine>;
  },
): Promise<void> {
  const { pushId, after, shape = (lines) => lines } = follow;
  await sendGenerated(request, reply, (signal) =>
    shape(
      services.output.follow(pushId, after, {
        follow: true,
        ending: () => pushOutcome(services, pushId),
        signal,
      }),
    ),
  );
  setTimeout(() => {
    if (services.output.followers(pushId) === 0)
      abandonPush(services, pushId).catch((err: unknown) =>
        services.log.warn({ err, push: pushId }, 'abandoning a push failed'),
      );
  }, returnLimitMs).unref();
}
