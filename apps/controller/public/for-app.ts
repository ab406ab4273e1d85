// The app that a request names, checked against its user. Every endpoint below /v1/apps/:app begins with it.
import { AppName } from '@berth/contract/names.ts';
import type { AppRow } from '@berth/store/queries/apps.ts';
import type { User } from '@berth/store/queries/users.ts';
import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the authentication hook of the public server. */
    user: User;
  }
}

export type ForApp = (request: Pick<FastifyRequest, 'params' | 'user'>) => Promise<AppRow>;

export const appParams = Type.Object({ app: AppName });
export const numberedParams = Type.Object({
  app: AppName,
  number: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
});

export function numberOf(request: Pick<FastifyRequest, 'params'>): number {
  return (request.params as { number: number }).number;
}
